#ifndef HL_WS_PRIV_H
#define HL_WS_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "leafd/link/ws.h"

/* What ws.c (its life), ws_frames.c (what goes and comes) and ws_shake.c (the upgrade) share. */

#define WS_IO          (256u << 10) /* read and written in one turn of the loop */
#define WS_CONTROL_MAX 125
#define WS_KEY_LEN     24 /* base64 of 16 bytes */
#define WS_ACCEPT_LEN  28 /* base64 of SHA-1 */

struct event;
struct turnout;
struct wslay_frame_context;

enum ws_state { WS_SHAKING, WS_OPEN, WS_CLOSING, WS_CLOSED };

struct ws {
	struct bufferevent *bev;
	struct turnout *out; /* of frames; heads go by bev */
	const struct ws_ops *ops;
	void *arg;
	struct ws_opts o;
	enum ws_state state;
	int client;
	char accept[WS_ACCEPT_LEN + 1]; /* client: what has to come back */
	struct wslay_frame_context *frames;
	struct buf message; /* headroom, then what is here of it */
	int partial;        /* of a message in several frames, more come */
	uint8_t control[WS_CONTROL_MAX];
	uint64_t left;       /* of the frame that is being read */
	uint8_t opcode, fin; /* of it */
	int reading;         /* there is such a frame */
	uint64_t ncontrol;
	int paused, said_bye, heard_bye;
	uint64_t heard_us, pinged_us;
	struct event *timer; /* how long the other may take to agree to the end */
	struct event *again; /* what waits in the buffer while nothing new comes */
	unsigned code;       /* what `closed` is told */
	char *why;
	unsigned busy; /* its functions on the stack */
	int freed;
};

/* ws.c: from now on only an end is waited for. */
void ws_begin_close(struct ws *w, unsigned code, const char *why);

/* ws_frames.c */
void ws_frames_begin(struct ws *w);
void ws_frames_read(struct ws *w); /* what has come, as far as it goes */
void ws_frames_bye(struct ws *w, unsigned code, const char *why);

/* ws_shake.c: texts, no I/O. */

/*
 * A client's head, NUL at its end: 101 and the answer's head in *answer, or the status of a refusal
 * and its whole answer; the caller frees.
 */
int ws_shake_serve(const char *head, const char *path, const char *protocol, char **answer);
/* What a client sends; the caller frees.  accept: what has to come back. */
char *ws_shake_ask(const char *host, const char *path, const char *protocol,
    char accept[WS_ACCEPT_LEN + 1]);
/* A server's head: NULL, or what is wrong with it; the caller frees. */
char *ws_shake_check(const char *head, const char *protocol, const char *accept);
/* What another said, as it may stand in a log: anything but printable ASCII becomes '?'. */
void ws_shake_plain(char *text);

#endif
