#ifndef HL_LITEWAIT_H
#define HL_LITEWAIT_H

/*
 * What a file's thread waits for: that somebody asks something of it, or that somebody writes to the file's WAL,
 * which the kernel tells (inotify).  Where it does not, as of a file on another machine, the time must do; and
 * where there is no WAL, as whoever reads at once then is in the way of the one who writes.
 */
struct litewait {
	int event;  /* of litewait_wake */
	int notify; /* -1: the kernel tells nothing */
	int told;   /* whether it watches the file */
};

void litewait_open(struct litewait *w);
void litewait_close(struct litewait *w);
/* The WAL of the file of that path, as it is now: again when it may be another. */
void litewait_watch(struct litewait *w, const char *path);
/* Any thread. */
void litewait_wake(struct litewait *w);
/* At most so many milliseconds, 0 then; 1: it was woken, or, with `changes`, the file was written to. */
int litewait_for(struct litewait *w, int ms, int changes);

#endif
