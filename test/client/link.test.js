// A node's links, with a WebSocket of another make at the other end: as client and as server.
// Messages are leafd/link/link_priv.h's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';

const { HL_LINK_URL: url, HL_LINK_PORT: port, HL_LINK_HOST: host, HL_LINK_CERTS: folder, HL_LINK_NAME: name,
    HL_FORMAT: format } = process.env;
const tls = {
	ca: readFileSync(`${folder}/ca.pem`),
	cert: readFileSync(`${folder}/${name}.pem`),
	key: readFileSync(`${folder}/${name}.key`),
};
const ours = 'c0ffee00c0ffee00c0ffee00c0ffee00';
const HELLO = 1, READY = 2, ASK = 3, ANSWER = 4, WANT = 7, BYE = 10, BEGIN = 11;

function hello(fields = {}) {
	return Buffer.concat([Buffer.of(HELLO), Buffer.from(JSON.stringify({
		id: ours, hostname: host, version: '1', boot: 'x', now: Date.now(), max: 1 << 20,
		format: [Number(format), Number(format)], ...fields,
	}))]);
}

function ask(id, verb, question) {
	const v = Buffer.from(verb), q = Buffer.from(JSON.stringify(question)), head = Buffer.alloc(7), len = Buffer.alloc(4);
	head.writeUInt8(ASK, 0);
	head.writeUInt32LE(id, 1);
	head.writeUInt16LE(v.length, 5);
	len.writeUInt32LE(q.length, 0);
	return Buffer.concat([head, v, len, q]);
}

// What comes, one after the other, and at last how it ended.
function incoming(socket) {
	const waiting = [], come = [];
	const put = (what) => (waiting.length > 0 ? waiting.shift()(what) : come.push(what));
	socket.on('message', (data, binary) => put({ type: data[0], body: data.subarray(1), binary }));
	socket.on('close', (code, why) => put({ closed: code, why: why.toString() }));
	socket.on('error', (error) => put({ error }));
	return () => (come.length > 0 ? Promise.resolve(come.shift()) : new Promise((resolve) => waiting.push(resolve)));
}

async function expect(next, type) {
	const m = await next();
	assert.equal(m.type, type, JSON.stringify({ ...m, body: m.body?.toString() }));
	assert.equal(m.binary, true);
	return m.body;
}

// From HELLO to a question that is answered.
async function converse(socket, next) {
	const theirs = JSON.parse(await expect(next, HELLO));
	assert.equal(typeof theirs.id, 'string');
	assert.ok(Math.abs(theirs.now - Date.now()) < 60000);
	await expect(next, READY);
	socket.send(Buffer.of(READY));
	assert.equal((await expect(next, WANT)).length, 16);
	socket.send(Buffer.of(BEGIN));
	const pong = new Promise((resolve) => socket.once('pong', resolve));
	socket.ping('are you there');
	assert.equal((await pong).toString(), 'are you there');
	socket.send(ask(7, 'no such verb', {}));
	assert.ok((await answer(next, 7)).status >= 400);
	// Who are you?
	socket.send(ask(8, 'status', { id: ours, name: host, incarnation: 1, now: Date.now(), digest: 0, cursors: [],
	    formats: theirs.format, version: theirs.version }));
	const { status, said } = await answer(next, 8);
	assert.equal(status, 200, JSON.stringify(said));
	assert.equal(said.id, theirs.id);
}

// That to our question; it asks as well, meanwhile.
async function answer(next, id) {
	for (;;) {
		const m = await next();
		assert.notEqual(m.type, undefined, m.why);
		if (m.type !== ANSWER)
			continue;
		assert.equal(m.body.readUInt32LE(0), id);
		const text = m.body.subarray(10, 10 + m.body.readUInt32LE(6)).toString();
		return { status: m.body.readUInt16LE(4), said: text === '' ? null : JSON.parse(text) };
	}
}

function dial(options = {}) {
	return new WebSocket(url, options.protocol ?? 'hubleaf.1', { ...tls, ...options });
}

test('ws as a client', { timeout: 60000 }, async () => {
	const socket = dial(), next = incoming(socket);
	await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
	assert.equal(socket.protocol, 'hubleaf.1');
	socket.send(hello());
	await converse(socket, next);
	socket.close(1000, 'enough');
	for (let m = await next(); m.closed !== 1000; m = await next())
		assert.notEqual(m.type, undefined);
});

test('ws as a server', { timeout: 60000 }, async (t) => {
	const https = createServer({ ...tls, requestCert: true, rejectUnauthorized: true });
	const server = new WebSocketServer({ server: https, path: '/replication',
	    handleProtocols: (offered) => (offered.has('hubleaf.1') ? 'hubleaf.1' : false) });
	t.after(() => {
		server.close();
		https.close();
		https.closeAllConnections();
	});
	const met = new Promise((resolve) => server.once('connection', (socket) => resolve([socket, incoming(socket)])));
	await new Promise((resolve) => https.listen(Number(port), host, resolve));
	const [socket, next] = await met;
	socket.send(hello());
	await converse(socket, next);
	socket.terminate();
});

test('what is no link is refused with a reason', { timeout: 60000 }, async () => {
	const refused = (options) => new Promise((resolve) => {
		const socket = dial(options);
		socket.on('error', (e) => resolve(e.message));
		socket.on('open', () => resolve('open'));
	});
	assert.match(await refused({ protocol: 'other.1' }), /400/);
	assert.match(await refused({ cert: undefined, key: undefined }), /certificate required|handshake|closed|ECONNRESET|hang up/i);
	for (const [said, code] of [[Buffer.from('xx'), 1002], [hello({ hostname: 'other.example.com' }), 1008],
	    [hello({ format: 'x' }), 1002], [Buffer.alloc(20000, 1), 1009]]) {
		const socket = dial(), next = incoming(socket);
		await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
		await expect(next, HELLO);
		socket.send(said);
		const bye = await next();
		if (bye.closed === undefined) {
			assert.equal(bye.type, BYE);
			assert.ok(bye.body.length > 2);
		}
		const end = bye.closed === undefined ? await next() : bye;
		assert.equal(end.closed, code, end.why);
	}
	// Text is none of its messages.
	const socket = dial(), next = incoming(socket);
	await new Promise((resolve) => socket.once('open', resolve));
	await expect(next, HELLO);
	socket.send('text');
	let end = await next();
	while (end.closed === undefined)
		end = await next();
	assert.equal(end.closed, 1003);
});

test('what is no message ends a link that stood, with a reason', { timeout: 60000 }, async () => {
	for (const [said, code] of [[Buffer.of(99), 1002], [Buffer.of(ASK, 1), 1002], [Buffer.of(), 1002], [hello(), 1002]]) {
		const socket = dial(), next = incoming(socket);
		await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
		socket.send(hello());
		await converse(socket, next);
		socket.send(said);
		let bye = null, end = await next();
		for (; end.closed === undefined; end = await next())
			bye = end.type === BYE ? end : bye;
		assert.ok(bye === null || bye.body.length > 2);
		assert.equal(end.closed, code, `${said.toString('hex')}: ${end.why}`);
	}
});
