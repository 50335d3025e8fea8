#include "folder.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];

const char *folder_new(void) {
  char made[] = "/tmp/codex io spec XXXXXX";
  if (!mkdtemp(made) || !realpath(made, root)) abort();
  return root;
}

static int remove_entry(const char *path, const struct stat *entry, int type, struct FTW *walk) {
  (void)entry, (void)type, (void)walk;
  return remove(path);
}

void folder_remove(void) {
  nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_folder(const char *name) {
  static char places[8][2 * PATH_MAX];
  static unsigned next;
  char *place = places[next++ % 8];
  snprintf(place, sizeof places[0], "%s/%s", root, name);
  return place;
}

const char *write_file(const char *name, const char *text, int mode) {
  char folders[2 * PATH_MAX];
  const char *path = in_folder(name);
  snprintf(folders, sizeof folders, "%s", path);
  for (char *slash = folders + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
    *slash = '\0';
    mkdir(folders, 0755);
  }
  FILE *file = fopen(path, "we");
  if (!file) abort();
  fputs(text, file);
  fclose(file);
  chmod(path, (mode_t)mode);
  return path;
}
