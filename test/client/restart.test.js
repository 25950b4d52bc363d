// The node goes and comes again; its sessions have ended with it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { logIn, until } from './client.js';

// When the node began, between two times.
async function begin(client) {
	const asked = Date.now();
	const { uptime_ms: uptime } = (await client.ask('system_information',
	    { attributes: ['hubleaf'] })).hubleaf;
	return { from: asked - uptime, to: Date.now() - uptime };
}

test('restart', async () => {
	let client = await logIn();
	await client.ask('create_table', { database: 'again', table: 't', primary_key: 'id' });
	await client.ask('insert', { database: 'again', table: 't', records: [{ id: 1 }] });
	const before = await begin(client);
	const { status, data, headers } = await client.send({ operation: 'restart' });
	assert.equal(status, 200);
	assert.equal(data.message, 'Restarting HarperDB. This may take up to 60 seconds.');
	assert.equal(headers.connection, 'close');
	await until(60, 'it has begun anew', async () => {
		try {
			client = await logIn();
			return (await begin(client)).from > before.to;
		} catch {
			return false;
		}
	});
	const rows = await client.ask('search_by_id', { database: 'again', table: 't', ids: [1],
	    get_attributes: ['id'] });
	assert.deepEqual(rows, [{ id: 1 }]);
});
