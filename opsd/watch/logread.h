#ifndef HL_LOGREAD_H
#define HL_LOGREAD_H

#include <stddef.h>

/*
 * Lines of one daemon's log files, from the oldest or from the newest, in blocks: memory
 * does not depend on how long they are.
 */
struct log_entry_text {   /* all borrowed until the next call */
	const char *time; /* 24 characters: they sort as the time does */
	const char *thread, *level, *tag, *message;
	size_t thread_len, level_len, tag_len, message_len;
};

struct logread;

struct logread *logread_open(const char *dir, const char *old_dir, const char *name, int backwards);
void logread_close(struct logread *l);
/* 1, or 0 at the end.  What is not a line of ours is passed over. */
int logread_next(struct logread *l, struct log_entry_text *e);

#endif
