// A day of an administrator: the system's tables page by page, rows edited as a grid and as
// JSON, a role's permission, jobs that are watched, and the logs of who changed what.
import { before, after, test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, logIn, terminologies, until } from './client.js';

const db = 'manage';
let client;

before(async () => {
	client = await logIn();
	await client.ask('create_table', { database: db, table: 'cat', primary_key: 'id' });
});

after(() => client.ask('drop_database', { database: db }));

async function ended(id) {
	return until(20, 'the job ends', async () => {
		const [job] = await client.ask('get_job', { id });
		return ['COMPLETE', 'ERROR'].includes(job.status) && job;
	});
}

test('each table of the system is shown as any other, a page at a time', async () => {
	const system = await client.ask('describe_database', { database: 'system' });
	for (const [name, table] of Object.entries(system)) {
		const at = { database: 'system', table: name };
		assert.equal((await client.ask('describe_table', at)).name, name);
		const page = (fields) => client.ask('search_by_value', { ...at,
		    attribute: table.hash_attribute, value: '*', get_attributes: ['*'], limit: 20, ...fields });
		const first = await page({ offset: 0 });
		assert.ok(first.length <= 20);
		assert.deepEqual(await page({ offset: 1 }), (await page({ limit: 21 })).slice(1));
		const keys = first.map((row) => row[table.hash_attribute]);
		if (keys.length === 0)
			continue;
		const back = await page({ sort: { attribute: table.hash_attribute, descending: true }, limit: 1 });
		assert.equal(back.length, 1);
		const [one] = await client.ask('search_by_id', { ...at, ids: [keys[0]], get_attributes: ['*'] });
		assert.equal(one[table.hash_attribute], keys[0]);
	}
});

test('rows of the system are changed by operations of their own, and who tries is told which', async () => {
	for (const [table, operation] of [['hdb_user', 'alter_user'], ['hdb_role', 'alter_role'],
	    ['hdb_nodes', 'update_node']])
		for (const write of ['insert', 'update', 'upsert'])
			assert.match((await client.refused(403, write, { database: 'system', table,
			    records: [{ id: 'x' }] })).error, new RegExp(operation));
});

for (const t of terminologies) {
	const at = { [t.database]: db, table: 'cat' };
	const all = () => client.ask('search_by_value', { ...at, [t.attribute]: 'id', [t.value]: '*',
	    get_attributes: ['*'] });

	test(`${t.name}: rows are edited`, async () => {
		const fresh = [{ id: 1, name: 'Tom', tags: ['a', { b: 1 }], born: null },
		    { id: 2, name: 'Mia' }, { id: 3, name: 'Kit' }];
		await client.ask('upsert', { ...at, records: fresh });
		// The form sends back the row that it was given, with the times, which stay the node's.
		const [tom] = await client.ask(t.byId, { ...at, [t.ids]: [1], get_attributes: ['*'] });
		assert.deepEqual(tom.tags, ['a', { b: 1 }]);
		assert.equal(tom.born, null);
		const edited = { ...tom, name: 'Tomás', __createdtime__: 1, tags: [] };
		assert.deepEqual((await client.ask('update', { ...at, records: [edited] })).update_hashes, [1]);
		const [again] = await client.ask(t.byId, { ...at, [t.ids]: [1], get_attributes: ['*'] });
		assert.equal(again.name, 'Tomás');
		assert.deepEqual(again.tags, []);
		assert.equal(again.__createdtime__, tom.__createdtime__);
		assert.ok(again.__updatedtime__ > tom.__updatedtime__);
		// Several at once, of which one is not there; then those that were ticked go.
		const said = await client.ask('update', { ...at, records: [{ id: 2, name: 'M' }, { id: 9 }] });
		assert.deepEqual([said.update_hashes, said.skipped_hashes], [[2], [9]]);
		await client.ask('delete', { ...at, [t.ids]: (await all()).map((row) => row.id) });
		assert.deepEqual(await all(), []);
		assert.equal((await client.ask('describe_table', at)).record_count, 0);
	});

	test(`${t.name}: who changed what`, async () => {
		const since = Date.now() - 1;
		await client.ask('insert', { ...at, records: [{ id: 'log', v: 1 }] });
		await client.ask('update', { ...at, records: [{ id: 'log', v: 2 }] });
		await client.ask('delete', { ...at, [t.ids]: ['log'] });
		const audit = (fields) => client.ask('read_audit_log', { ...at, ...fields });
		const times = await audit({ search_type: 'timestamp', search_values: [since] });
		assert.deepEqual(times.map((e) => e.operation), ['insert', 'update', 'delete']);
		assert.equal(times[1].records[0].v, 2);
		assert.equal(times[1].original_records[0].v, 1);
		const keys = await audit({ search_type: 'hash_value', search_values: ['log', 'none'] });
		assert.ok(keys.log.length >= 3);
		assert.deepEqual(keys.none, []);
		const who = times[0].user_name;
		assert.ok((await audit({ search_type: 'username', search_values: [who] }))[who].length >= 3);
		assert.deepEqual(await audit({ search_type: 'timestamp', search_values: [1, 2] }), []);
		const sent = await client.ask('read_transaction_log', { ...at, from: since, limit: 2 });
		assert.deepEqual(sent.map((e) => e.operation), ['insert', 'update']);
		assert.equal(sent[0].user, who);
		assert.match((await client.refused(400, 'read_audit_log', { ...at, search_type: 'colour' })).error,
		    /'search_type' must be one of/);
	});
}

test('a role as it was listed is edited and sent back', async () => {
	const role = await client.ask('add_role', { role: 'editor', permission: { structure_user: [db] } });
	const user = { username: 'ed', password: 'ed-secret' };
	await client.ask('add_user', { ...user, role: 'editor', active: true });
	const ed = new Client({ auth: user });
	const at = { database: db, table: 'cat' };
	await ed.ask('create_attribute', { ...at, attribute: 'colour' });
	await ed.refused(403, 'insert', { ...at, records: [{ id: 1, colour: 'red' }] });
	const listed = (await client.ask('list_roles')).find((r) => r.id === role.id);
	listed.permission[db] = { tables: { cat: { read: true, insert: true, update: true, delete: false,
	    attribute_permissions: [{ attribute_name: 'colour', read: true, insert: true, update: false }] } } };
	await client.ask('alter_role', { id: listed.id, role: listed.role, permission: listed.permission });
	await ed.ask('insert', { ...at, records: [{ id: 1, colour: 'red' }] });
	const refused = await ed.refused(403, 'update', { ...at, records: [{ id: 1, colour: 'blue' }] });
	assert.deepEqual(refused.unauthorized_access[0].required_attribute_permissions,
	    [{ attribute_name: 'colour', required_permissions: ['update'] }]);
	assert.deepEqual((await ed.ask('user_info')).role.permission, listed.permission);
	await client.ask('drop_user', { username: user.username });
	await client.ask('drop_role', { id: role.id });
});

test('jobs: started, watched, listed by day', async () => {
	const at = { database: db, table: 'cat' };
	const lines = Array.from({ length: 500 }, (_, i) => `j${i},cat ${i}`).join('\n');
	const load = await client.ask('csv_data_load', { ...at, action: 'upsert', data: `id,name\n${lines}` });
	assert.equal((await ended(load.job_id)).message, 'successfully loaded 500 of 500 records');
	const broken = await client.ask('csv_data_load', { ...at, strict: true,
	    data: 'id,name\nx1,a\nx2,b,c\n' });
	const job = await ended(broken.job_id);
	assert.equal(job.status, 'ERROR');
	assert.match(job.message, /^line 3: /);
	// What is wrong with the header, or with the request, is no job.
	assert.match((await client.refused(400, 'csv_data_load', { ...at, data: 'id,id\n1,2\n' })).error,
	    /the header names 'id' twice/);
	await client.refused(400, 'csv_file_load', { ...at, file_path: '/no/such.csv' });
	await client.refused(400, 'csv_url_load', { ...at, csv_url: 'no url' });
	const forget = await client.ask('delete_records_before', { ...at, date: '2001-01-01' });
	assert.equal((await ended(forget.job_id)).status, 'COMPLETE');
	const day = new Date().toISOString().slice(0, 10);
	const listed = await client.ask('search_jobs_by_start_date', { from_date: day, to_date: day });
	for (const id of [load.job_id, broken.job_id, forget.job_id])
		assert.ok(listed.some((j) => j.id === id), id);
	for (const row of listed) {
		assert.equal(row.request, undefined);
		assert.ok(row.end_datetime === undefined || row.end_datetime >= row.start_datetime);
	}
	assert.deepEqual(await client.ask('get_job', { id: 'none' }), []);
});

test('what is not offered is said as a peer would say it, and the rest goes on', async () => {
	for (const operation of ['list_metrics', 'get_analytics'])
		assert.equal((await client.refused(400, operation)).error, `Operation '${operation}' not found`);
	const [cert] = await client.ask('list_certificates');
	assert.match(cert.certificate, /^-----BEGIN CERTIFICATE-----/);
	assert.ok(Date.parse(cert.details.valid_to) > Date.now());
});

test('a certificate is added under a name, and removed by it', async () => {
	const [own] = await client.ask('list_certificates');
	const names = async () => (await client.ask('list_certificates')).map((c) => c.name);
	const added = await client.ask('add_certificate', { name: 'my-cert', certificate: own.certificate,
		is_authority: false, uses: ['https'] });
	assert.equal(added.message, 'Successfully added certificate: my-cert');
	assert.ok((await names()).includes('my-cert'));
	const removed = await client.ask('remove_certificate', { name: 'my-cert' });
	assert.equal(removed.message, 'Successfully removed my-cert');
	assert.ok(!(await names()).includes('my-cert'));
});
