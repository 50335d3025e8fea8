/* A descriptor that becomes readable at a moment, for loops that have no timers: a timerfd on Linux, a kqueue
 * elsewhere. It is close-on-exec, and closed with close. */
#ifndef CODEX_IO_ALARM_H
#define CODEX_IO_ALARM_H

/* The descriptor, not set; -1 with errno set when it can't be made. */
int cx_alarm_open(void);

/* Makes it readable in so many seconds, from then on until it is set anew; negative: never. What it was set
 * to before doesn't count any more. 0, or an errno value. */
int cx_alarm_set(int fd, double seconds);

#endif
