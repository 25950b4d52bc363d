// A node's stream, read by the clients that NATS itself has for JavaScript: the older package and the newer ones.
// What a message holds is common/base/frame.h's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNew } from '@nats-io/transport-node';
import { connect as connectOld } from 'nats';

const { HL_NATS_URL: url, HL_STREAM: stream, HL_SUBJECT: subject, HL_ROWS: rows } = process.env;
const FLAGS = 5, NODE = 6, TABLE = 30, LAST = 42, COUNT = 58, ENTRIES = 62, PACKED = 2;

function crc32c(bytes) {
	let crc = ~0;

	for (const byte of bytes) {
		crc ^= byte;
		for (let i = 0; i < 8; i++)
			crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc >>> 0;
}

function readFrame(data) {
	const bytes = Buffer.from(data);

	assert.equal(bytes.readUInt32LE(1), crc32c(bytes.subarray(5)), 'the checksum is that of the bytes');
	assert.ok(bytes.length > ENTRIES);
	return {
		packed: (bytes[FLAGS] & PACKED) !== 0,
		node: bytes.subarray(NODE, NODE + 16).toString('hex'),
		table: bytes.readUInt32LE(TABLE),
		last: bytes.readBigUInt64LE(LAST),
		count: bytes.readUInt32LE(COUNT),
	};
}

// How many transactions of dev.t are in the stream, what is said of the table itself among them, as one of the clients has it: js to read with, jsm for what is known of it.
async function readAll(js, jsm) {
	const info = await jsm.streams.info(stream);
	const node = /^hubleaf node ([0-9a-f]{32})$/.exec(info.config.description)?.[1];
	const consumer = await js.consumers.get(stream);
	let last = 0n, transactions = 0, seen = 0;

	assert.deepEqual(info.config.subjects, [`${subject}.>`]);
	assert.ok(node, 'the description names the node');
	assert.ok(info.state.messages > 0);
	while (seen < info.state.messages) {
		const m = await consumer.next({ expires: 10000 });

		assert.ok(m, `message ${seen + 1} of ${info.state.messages}`);
		seen++;
		assert.equal(m.seq, seen);
		assert.ok(m.subject.startsWith(`${subject}.`), m.subject);
		const f = readFrame(m.data);
		assert.equal(f.node, node);
		assert.ok(f.last > last, 'the log goes on');
		last = f.last;
		if (m.subject === `${subject}.dev.t`)
			transactions += f.count;
	}
	return transactions;
}

async function listed(jsm) {
	const names = [];

	for await (const one of jsm.streams.list())
		names.push(one.config.name);
	return names;
}

test('the package nats: streams are listed, and ours is read', async () => {
	const nc = await connectOld({ servers: url });

	try {
		const jsm = await nc.jetstreamManager();
		assert.ok((await listed(jsm)).includes(stream));
		assert.ok((await readAll(nc.jetstream(), jsm)) >= Number(rows));
	} finally {
		await nc.close();
	}
});

test('the packages @nats-io: the same, and the last message of a table by its subject', async () => {
	const nc = await connectNew({ servers: url });

	try {
		const jsm = await jetstreamManager(nc);
		assert.ok((await listed(jsm)).includes(stream));
		assert.ok((await readAll(jetstream(nc), jsm)) >= Number(rows));
		const m = await jsm.direct.getMessage(stream, { last_by_subj: `${subject}.dev.t` });
		assert.ok(readFrame(m.data).count > 0);
	} finally {
		await nc.close();
	}
});
