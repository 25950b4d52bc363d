#ifndef HL_LINK_PRIV_H
#define HL_LINK_PRIV_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "common/base/buf.h"
#include "common/ipc/chan.h"
#include "leafd/link/links.h"
#include "leafd/link/linkspec.h"
#include "leafd/link/peercert.h"
#include "leafd/link/ws.h"

/*
 * What links.c (all of them, and opsd), link.c (one of them: who is there, messages, its end), link_ask.c
 * (questions), link_out.c (our log), link_in.c (the other's), target.c (dialling) and listen.c share.
 *
 * Messages, each a binary one of WebSocket: u8 type, then
 */
enum link_type {
	LINK_HELLO =
	    1, /* json (linkspec.h): both, first; nothing else is read before opsd admitted the other */
	LINK_READY = 2,  /* it is admitted: from now on it may send all else */
	LINK_ASK = 3,    /* u32 id, str verb, blob json */
	LINK_ANSWER = 4, /* u32 id, u16 status, blob json */
	LINK_PULL = 5,   /* u32 id, blob question (opsd/cluster/catchup.h) */
	LINK_PULLED = 6, /* u32 id, u16 status, blob answer */
	LINK_WANT =
	    7, /* u64 incarnation, u64 after: send your log from there on; again: begin anew */
	LINK_FRAME = 8,  /* a frame (common/base/frame.h) */
	LINK_GOT = 9,    /* u32 frames, u64 bytes: durable or dropped, since the last */
	LINK_BYE = 10,   /* str why, before the end */
	LINK_BEGIN = 11, /* what follows is what the last WANT asked for */
	LINK_SHARE =
	    12, /* u32 bytes: so much, and no more, may not be GOT yet; LINK_CREDIT before */
};

#define LINK_PROTOCOL   "hubleaf.1"
#define LINK_HELLO_MAX  (16u << 10) /* all that is read before a link is admitted */
#define LINK_HELLO_MS   5000        /* from the connection to its HELLO, and to dial */
#define LINK_ADMIT_MS   15000       /* opsd's word, and the other's */
#define LINK_STOOD_MS   5000
#define LINK_PING_MS    5000
#define LINK_SILENCE_US 15000000
#define LINK_CREDIT     (4u << 20)   /* bytes of frames that are not yet GOT, */
#define LINK_SHARE_MIN  (256u << 10) /* what each has of linkspec's in_flight in any case */
#define LINK_QUEUE      (8u << 20)   /* with so much not yet written, nothing more is begun */
#define LINK_UNADMITTED 64           /* that came in, */
#define LINK_FROM_ONE   16           /* and from one address */

/*
 * A message has so much room before it that APPLY's fields fit there together with its type, and the
 * frame goes on to opsd where it lies.
 */
#define LINK_APPLY_HEAD (NODE_ID_LEN + 4 + 8 + 4)
#define LINK_HEADROOM   (LINK_APPLY_HEAD - 1)

struct event;
struct link_apply;
struct link_call;
struct link_early;
struct link_question;
struct link_read;
struct link_serving;
struct ssl_st;
struct target;

enum link_state {
	LINK_OPENING,  /* the upgrade, or HELLO, is waited for */
	LINK_ASKING,   /* opsd is asked */
	LINK_ADMITTED, /* we let it; LINK.other_ready: it lets us, too */
	LINK_ENDED,    /* only its connection is still being closed */
};

struct peerlink {
	struct peerlink *prev, *next;
	struct links *ls;
	struct ws *ws;
	struct ssl_st *ssl;    /* of the connection, NULL: without TLS */
	struct target *target; /* that dialled it; NULL: it came in, or the target is gone */
	int dialled;
	char *address;
	struct peercert cert;
	enum link_state state;
	struct linkspec_hello hello; /* what the other said */
	int other_ready;
	int up_asked;                   /* opsd was asked for it, and has to be told its end */
	struct link_question *question; /* LINK_UP that is not answered */
	struct event *timer;            /* a deadline; once it is admitted, the tick */
	struct event *turn;             /* before the loop's next: GOT is due */
	char *bye;                      /* what the other said of its end; NULL: nothing */
	int refused;                    /* and does not want this node */
	int by_other;                   /* the other has ended it, and said why */
	uint64_t rtt_us, since_ms;
	struct link_early *early; /* for when it is ready */

	struct link_call *calls; /* ours that are not answered */
	uint32_t last_call;
	struct link_serving *waiting, *active; /* the other's */
	unsigned nwaiting, nactive;
	size_t waiting_bytes;

	struct {
		uint64_t incarnation, after; /* up to there it was sent */
		unsigned wants;              /* how often it was said from where */
		unsigned begins;             /* WANTs that BEGIN is not said to yet */
		struct link_read *read;      /* opsd has not said yet that it begins */
		uint32_t turn;               /* the log is given for it; 0: it is not asked for */
		uint64_t granted, came; /* bytes of the log: that opsd may give, and has given */
		int idle;               /* it ended, or cannot be read: at the next tick */
		uint64_t frames, bytes; /* that are not GOT */
		uint32_t share;         /* how many bytes the other lets us */
		uint64_t sent_ms, confirmed_ms;
		uint64_t sending_ms; /* commit time of what is not GOT; 0: nothing */
	} out;

	struct {
		int asked;      /* WANT was said at all */
		unsigned wants; /* WANTs whose BEGIN has not come: frames are of before */
		struct link_apply *applies; /* with opsd */
		uint64_t bytes;             /* that came and are not said to be GOT */
		uint32_t share;             /* that the other knows of */
		uint32_t got;               /* to be said at the end of this turn */
		uint64_t got_bytes;
		uint32_t owed; /* lost with opsd: said with the next WANT */
		uint64_t owed_bytes;
	} in;
};

struct links {
	struct event_base *base;
	struct chan *opsd;
	char *instance;
	void (*changed)(void *arg);
	void *arg;
	struct linkspec *spec; /* NULL: none yet */
	int told;              /* by the opsd that is there now */
	struct tlslink *tls;   /* NULL: no certificate */
	char *tls_fault;
	struct peerlink *all;
	unsigned admitted; /* of those */
	uint32_t turns;    /* that the log was asked for, of all */
	struct target *targets;
	struct listener *listeners;
	struct arrivals *arrivals;
	json_t *refused; /* refused.c's */
};

/* links.c */
int links_up(const struct links *ls); /* opsd is there and has said what is to be */
void links_changed(struct links *ls);
/* The one with that node that is, or is about to be, admitted; NULL: none. */
struct peerlink *links_find(const struct links *ls, const uint8_t id[NODE_ID_LEN]);
/* What one of them may have on its way, as they are that many. */
uint32_t links_share(const struct links *ls);
int links_known_by_another(const struct peerlink *k); /* opsd has its node by another link, too */
int links_has_hostname(const struct links *ls, const char *hostname);
/* HELLO came and is in k->hello: opsd is asked, unless it cannot be. */
void links_hello(struct peerlink *k);
void links_drop_question(struct peerlink *k); /* its answer is not waited for */
void links_ended(struct links *ls);           /* one of them: targets may have something to do */
int links_revoked(const struct links *ls, const struct peercert *cert);

/* link.c */
/* Over a connected socket, which it takes. */
struct peerlink *link_new(struct links *ls, int fd, const char *address, int secure,
    struct target *target);
void link_free(struct peerlink *k); /* at once, without a word */
void link_part(struct peerlink *k,
    const char *why); /* the same with a word, for the process's end */
/* The end, once: opsd and the target are told, the other gets the reason. */
void link_end(struct peerlink *k, unsigned code, const char *why);
void link_end_revoked(struct peerlink *k);
void link_admit(struct peerlink *k); /* READY; messages come */
/* head begins with the type; waits until the other is ready. */
void link_send(struct peerlink *k, const struct buf *head, const void *p, size_t n);
void link_broken(struct peerlink *k, const char *what); /* it is not understood */
void link_turn(struct peerlink *k); /* something is due at the end of this turn */

/* link_ask.c */
void link_ask_call(struct peerlink *k, const struct msg *m, uint8_t type, uint32_t timeout_ms,
    const char *verb, const void *p, size_t n);
void link_ask_refuse(struct chan *opsd, const struct msg *m, uint8_t type, uint16_t status);
int link_ask_take(struct peerlink *k, uint8_t type, struct rd *r); /* these two: -1: broken */
int link_ask_answered(struct peerlink *k, uint8_t type, struct rd *r);
void link_ask_more(struct peerlink *k); /* the other's questions that wait */
void link_ask_end(struct peerlink *k);

/* link_out.c */
int link_out_want(struct peerlink *k, struct rd *r); /* -1: broken */
int link_out_got(struct peerlink *k, struct rd *r);
int link_out_share(struct peerlink *k, struct rd *r);
void link_out_more(struct peerlink *k);   /* what there is of the log, as far as it may go */
void link_out_forget(struct peerlink *k); /* opsd is away */
/* What opsd gave for its turn; n 0: that has ended. */
void link_out_log(struct peerlink *k, const uint8_t *p, size_t n);

/* link_in.c */
void link_in_want(struct peerlink *k, uint64_t incarnation, uint64_t after);
int link_in_begin(struct peerlink *k, const struct rd *r); /* these two: -1: broken */
int link_in_frame(struct peerlink *k, struct buf *m);
void link_in_turn(struct peerlink *k);
void link_in_end(struct peerlink *k);

/* refused.c */
void refused_note(struct peerlink *k, const char *why); /* one that came in */
void refused_forget(struct peerlink *k);                /* as it is linked now */

/* target.c */
void target_set(struct links *ls); /* as the configuration says now */
void target_free_all(struct links *ls);
void target_look(struct links *ls); /* who is to be dialled now */
void target_known(struct target *t, const uint8_t id[NODE_ID_LEN]);
enum target_end {
	TARGET_FAILED,
	TARGET_REFUSED, /* one of the two nodes does not want the other */
	TARGET_STOOD    /* long enough that it is dialled again at once */
};
void target_ended(struct target *t, enum target_end how, const char *why);
const char *target_key(const struct target *t);
const struct linkspec_dial *target_spec(const struct target *t);
json_t *target_json(const struct links *ls);

/* listen.c */
void listen_set(struct links *ls); /* as the configuration says now */
void listen_free_all(struct links *ls);
json_t *listen_json(const struct links *ls);
/* How it went with one that came in. */
void listen_judge(struct links *ls, const char *address, int admitted);

#endif
