// The node goes and comes again; a session that was there before still is.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { logIn, until } from './client.js';

test('restart', async () => {
	const client = await logIn();
	await client.ask('create_table', { database: 'again', table: 't', primary_key: 'id' });
	await client.ask('insert', { database: 'again', table: 't', records: [{ id: 1 }] });
	const began = (await client.ask('system_information', { attributes: ['harperdb_processes'] }))
	    .harperdb_processes;
	const { status, data, headers } = await client.send({ operation: 'restart' });
	assert.equal(status, 200);
	assert.equal(data.message, 'Restarting HarperDB. This may take up to 60 seconds.');
	assert.equal(headers.connection, 'close');
	await until(60, 'it is another process', async () => {
		try {
			const now = await client.ask('system_information',
			    { attributes: ['harperdb_processes'] });
			return JSON.stringify(now.harperdb_processes) !== JSON.stringify(began);
		} catch {
			return false;
		}
	});
	const rows = await client.ask('search_by_id', { database: 'again', table: 't', ids: [1],
	    get_attributes: ['id'] });
	assert.deepEqual(rows, [{ id: 1 }]);
});
