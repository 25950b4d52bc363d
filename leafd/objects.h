#ifndef HL_OBJECTS_H
#define HL_OBJECTS_H

/*
 * Object stores of JetStream, as its clients have them: a bucket is the stream OBJ_<bucket> of
 * $O.<bucket>.C.<nuid>, the chunks of an object, and $O.<bucket>.M.<name as base64 for URLs>, what it
 * is: its size, chunks and digest.  What opsd wants of them (OBJECT_* of proto.def), a question at a time
 * for each object; that they follow each other is its matter.
 */
#define OBJECTS_CHUNK 131072 /* bytes */

struct objects;
struct jsapi;
struct chan;
struct msg;

struct objects *objects_new(struct chan *opsd);
void objects_free(struct objects *o); /* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
void objects_start(struct objects *o, struct jsapi *a);
void objects_stop(struct objects *o); /* what opsd still asks is answered with 503 */

/* Any OBJECT_ message; -1: not in its form. */
int objects_ask(struct objects *o, struct msg *m);

#endif
