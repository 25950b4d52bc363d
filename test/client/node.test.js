// The node itself: configuration, load, log, and what a browser asks before it asks.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import axios from 'axios';
import { Client, admin, logIn } from './client.js';

const client = await logIn();

test('the configuration is read and set', async () => {
	const conf = await client.ask('get_configuration');
	assert.equal(conf.operationsApi.network.port, Number(new URL(process.env.HL_URL).port));
	assert.equal(conf.clustering.enabled, true);
	const level = conf.logging.level;
	const said = await client.ask('set_configuration', { logging_level: 'debug' });
	assert.match(said.message, /^Configuration successfully set\./);
	assert.equal((await client.ask('get_configuration')).logging.level, 'debug');
	await client.ask('set_configuration', { logging_level: level });
	assert.match((await client.refused(400, 'set_configuration', { logging_level: 'loud' })).error,
	    /must be one of/);
	assert.match((await client.refused(400, 'set_configuration', { logging_levle: 'info' })).error,
	    /logging/);
});

test('system_information, all of it and some of it', async () => {
	const all = await client.ask('system_information');
	for (const part of ['system', 'time', 'cpu', 'memory', 'disk', 'network', 'harperdb_processes',
	    'table_size', 'replication'])
		assert.ok(part in all, part);
	assert.ok(all.memory.total > all.memory.free);
	const some = await client.ask('system_information', { attributes: ['time', 'memory'] });
	assert.deepEqual(Object.keys(some).sort(), ['memory', 'time']);
	await client.refused(400, 'system_information', { attributes: 'time' });
});

test('the log: newest first, by level, by page', async () => {
	const log = await client.ask('read_log', { limit: 5, order: 'desc' });
	assert.ok(log.length > 0 && log.length <= 5);
	for (const line of log) {
		assert.ok(!Number.isNaN(Date.parse(line.timestamp)), line.timestamp);
		assert.equal(typeof line.message, 'string');
		assert.ok(Array.isArray(line.tags));
	}
	const times = log.map((line) => Date.parse(line.timestamp));
	assert.deepEqual(times, [...times].sort((a, b) => b - a));
	const next = await client.ask('read_log', { start: 1, limit: 4, order: 'asc' });
	const first = await client.ask('read_log', { limit: 5, order: 'asc' });
	assert.deepEqual(next, first.slice(1));
	assert.deepEqual(await client.ask('read_log', { until: '2000-01-01' }), []);
	for (const line of await client.ask('read_log', { level: 'warn' }))
		assert.ok(['warn', 'error'].includes(line.level));
	await client.refused(400, 'read_log', { level: 'loud' });
});

test('status of the node and of the cluster', async () => {
	const status = await client.ask('cluster_status');
	assert.equal(status.is_enabled, true);
	assert.ok(Array.isArray(status.connections));
	const network = await client.ask('cluster_network');
	assert.ok(network.nodes.some((n) => n.name === status.node_name));
});

test('a browser of another origin may ask, with credentials', async () => {
	const origin = 'https://studio.example';
	const asked = await axios.options(process.env.HL_URL, { headers: { Origin: origin,
	    'Access-Control-Request-Method': 'POST',
	    'Access-Control-Request-Headers': 'content-type,authorization' } });
	assert.ok([200, 204].includes(asked.status));
	assert.equal(asked.headers['access-control-allow-origin'], origin);
	assert.equal(asked.headers['access-control-allow-credentials'], 'true');
	assert.match(asked.headers['access-control-allow-methods'], /\bPOST\b/);
	const allowed = asked.headers['access-control-allow-headers'].toLowerCase().split(/, */);
	for (const header of ['accept', 'content-type', 'authorization'])
		assert.ok(allowed.includes(header), header);
	const basic = new Client({ origin, auth: admin });
	const { status, headers } = await basic.send({ operation: 'user_info' });
	assert.equal(status, 200);
	assert.equal(headers['access-control-allow-origin'], origin);
	assert.equal(headers['access-control-allow-credentials'], 'true');
	// A browser shows what went wrong only with the same headers.
	const wrong = await new Client({ origin }).send({ operation: 'user_info' });
	assert.equal(wrong.status, 401);
	assert.equal(wrong.headers['access-control-allow-origin'], origin);
});

test('what is no operation', async () => {
	// The client sends text as JSON text, which is no request.
	const text = (data) => client.send(data, { headers: { 'Content-Type': 'application/json' } });
	assert.deepEqual((await text('{"operation":')).data, { error: "Invalid JSON at line 1, column 1: '{' is expected" });
	assert.equal((await client.refused(400, 'fly')).error, "Operation 'fly' not found");
	assert.equal((await client.send({})).data.error,
	    "Request body must include an 'operation' property.");
	const health = await axios.get(`${process.env.HL_URL}/health`);
	assert.equal(health.status, 200);
});
