// The snapshots of a node, as the official client of NATS sees them: a line for each, with its size and how it
// begins, and one with how many objects have chunks.  HL_HURT: the newest is damaged instead, its last chunk
// "missing" or "flipped".
import { connect } from "nats";

const nc = await connect({ servers: process.env.HL_NATS, user: process.env.HL_USER, pass: process.env.HL_PASSWORD });
const bucket = process.env.HL_BUCKET ?? "hubleaf-snapshots";
const stream = `OBJ_${bucket}`;

async function list(store, manager) {
	for (const info of await store.list()) {
		// It compares the digest itself.
		const bytes = await store.getBlob(info.name);

		if (bytes === null || bytes.length !== info.size)
			throw new Error(`${info.name}: ${bytes?.length} bytes of ${info.size}`);
		console.log(info.name, bytes.length, new TextDecoder().decode(bytes.subarray(0, 6)));
	}
	const info = await manager.streams.info(stream, { subjects_filter: `$O.${bucket}.C.>` });

	console.log("chunks of", Object.keys(info.state.subjects ?? {}).length);
}

async function hurt(store, manager, how) {
	const newest = (await store.list()).map((info) => info.name).sort().pop();
	const subject = `$O.${bucket}.C.${(await store.info(newest)).nuid}`;
	const last = await manager.streams.getMessage(stream, { last_by_subj: subject });

	await manager.streams.deleteMessage(stream, last.seq);
	if (how === "flipped") {
		const data = last.data.slice();

		data[data.length >> 1] ^= 1;
		await nc.jetstream().publish(subject, data);
	}
	console.log(newest, how);
}

try {
	const store = await nc.jetstream().views.os(bucket);
	const manager = await nc.jetstreamManager();

	if (process.env.HL_HURT)
		await hurt(store, manager, process.env.HL_HURT);
	else
		await list(store, manager);
} finally {
	await nc.close();
}
