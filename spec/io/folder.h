/* A folder for one example, and what it may put there. Its path has a space in it. */
#ifndef SPEC_IO_FOLDER_H
#define SPEC_IO_FOLDER_H

/* Makes an empty folder with an absolute, real path, in a static place until the next call. */
const char *folder_new(void);

/* Removes it with all that is in it. */
void folder_remove(void);

/* A path in it, in one of a few static places used in turn. */
const char *in_folder(const char *name);

/* Writes a file, with the folders that lead to it; answers its path, as in_folder. */
const char *write_file(const char *name, const char *text, int mode);

#endif
