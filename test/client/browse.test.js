// What is looked at: databases, tables, rows by page, order and condition.
import { before, after, test } from 'node:test';
import assert from 'node:assert/strict';
import { logIn, terminologies } from './client.js';

const db = 'browse';
const rows = Array.from({ length: 30 }, (_, i) => ({ id: i + 1, name: `dog ${i % 7}`, age: i % 10 }));
let client;

before(async () => {
	client = await logIn();
	await client.ask('create_database', { database: db });
	await client.ask('create_table', { database: db, table: 'dog', primary_key: 'id' });
	const said = await client.ask('insert', { database: db, table: 'dog', records: rows });
	assert.equal(said.message, 'inserted 30 of 30 records');
});

after(() => client.ask('drop_database', { database: db }));

test('describe_all leaves system out', async () => {
	const all = await client.ask('describe_all');
	assert.equal(all.system, undefined);
	assert.deepEqual(Object.keys(all[db]), ['dog']);
	assert.equal(all[db].dog.record_count, 30);
});

test('the system database can be described, without secrets in its rows', async () => {
	const system = await client.ask('describe_database', { database: 'system' });
	for (const table of ['hdb_user', 'hdb_role', 'hdb_nodes', 'hdb_job'])
		assert.ok(table in system, table);
	assert.equal(system.hdb_user.hash_attribute, 'username');
	const users = await client.ask('search_by_value', { database: 'system', table: 'hdb_user',
	    attribute: 'username', value: '*', get_attributes: ['*'] });
	assert.ok(users.length > 0);
	for (const user of users) {
		assert.equal(user.password, undefined);
		assert.equal(user.hash, undefined);
	}
});

for (const t of terminologies) {
	const at = { [t.database]: db, table: 'dog' };
	const search = (fields) => client.ask('search_by_value', { ...at, [t.attribute]: 'id',
	    [t.value]: '*', get_attributes: ['*'], onlyIfCached: true, noCacheStore: true, ...fields });
	const conditions = (list, fields) => client.ask('search_by_conditions', { ...at,
	    get_attributes: ['*'], conditions: list.map(([a, c, v]) => ({ [t.attribute]: a,
	    [t.comparator]: c, [t.value]: v })), ...fields });

	test(`${t.name}: a table is described`, async () => {
		const table = await client.ask('describe_table', at);
		assert.equal(table.schema, db);
		assert.equal(table.name, 'dog');
		assert.equal(table.hash_attribute, 'id');
		assert.deepEqual(table.attributes.map((a) => a.attribute).sort(),
		    ['__createdtime__', '__updatedtime__', 'age', 'id', 'name']);
		assert.equal(table.attributes.find((a) => a.is_primary_key).attribute, 'id');
		assert.ok(table.last_updated_record > 1.6e12);
		const all = await client.ask(t.describe, { [t.database]: db });
		assert.equal(all.dog.record_count, 30);
		assert.equal((await client.refused(404, 'describe_table',
		    { [t.database]: db, table: 'cat' })).error, `Table '${db}.cat' does not exist`);
		assert.equal((await client.refused(404, t.describe, { [t.database]: 'no' })).error,
		    "database 'no' does not exist");
	});

	test(`${t.name}: pages of all rows`, async () => {
		assert.deepEqual((await search()).map((r) => r.id), rows.map((r) => r.id));
		const page = await search({ limit: 10, offset: 10 });
		assert.deepEqual(page.map((r) => r.id), rows.slice(10, 20).map((r) => r.id));
		const sorted = await search({ limit: 5, offset: 2,
		    sort: { attribute: 'id', descending: true } });
		assert.deepEqual(sorted.map((r) => r.id), [28, 27, 26, 25, 24]);
		assert.equal(typeof sorted[0].__createdtime__, 'number');
		assert.deepEqual(await search({ offset: 30 }), []);
	});

	test(`${t.name}: rows by value`, async () => {
		const some = await search({ [t.attribute]: 'name', [t.value]: '*g 3', get_attributes: ['id'] });
		assert.deepEqual(some, [{ id: 4 }, { id: 11 }, { id: 18 }, { id: 25 }]);
		assert.equal((await search({ [t.attribute]: 'age', [t.value]: 3 })).length, 3);
	});

	test(`${t.name}: rows by conditions`, async () => {
		const found = await conditions([['age', 'greater_than', 7], ['name', 'starts_with', 'dog']],
		    { operator: 'AND', sort: { attribute: 'age', descending: true, next: { attribute: 'id' } },
		    limit: 4 });
		assert.deepEqual(found.map((r) => [r.age, r.id]), [[9, 10], [9, 20], [9, 30], [8, 9]]);
		const either = await conditions([['id', 'between', [5, 6]], ['id', 'equals', 9]],
		    { operator: 'or', get_attributes: ['id'] });
		assert.deepEqual(either.map((r) => r.id).sort(), [5, 6, 9]);
		const nested = await client.ask('search_by_conditions', { ...at, get_attributes: ['id'],
		    conditions: [{ operator: 'or', conditions: [
		    { [t.attribute]: 'id', [t.comparator]: 'less_than', [t.value]: 3 },
		    { [t.attribute]: 'id', [t.comparator]: 'greater_than_equal', [t.value]: 29 }] }] });
		assert.deepEqual(nested.map((r) => r.id).sort((a, b) => a - b), [1, 2, 29, 30]);
	});

	test(`${t.name}: rows by key`, async () => {
		const found = await client.ask(t.byId, { ...at, [t.ids]: [3, 99, 1],
		    get_attributes: ['id', 'name'] });
		assert.deepEqual(found, [{ id: 3, name: 'dog 2' }, { id: 1, name: 'dog 0' }]);
	});

	test(`${t.name}: faults are named`, async () => {
		const error = async (status, operation, fields) =>
		    (await client.refused(status, operation, { ...at, ...fields })).error;
		assert.match(await error(400, 'search_by_conditions', { get_attributes: ['*'] }),
		    /'conditions' is required/);
		assert.match(await error(400, 'search_by_value', { [t.attribute]: 'id', [t.value]: '*',
		    get_attributes: ['*'], limit: 'ten' }), /'limit' must be a number/);
		assert.match(await error(t.byId === 'search_by_id' ? 400 : 500, t.byId, { [t.ids]: 1, get_attributes: ['*'] }),
		    new RegExp(`'${t.ids}' must be an array`));
		assert.match(await error(404, 'search_by_value', { [t.attribute]: 'id', [t.value]: '*',
		    get_attributes: ['*'], table: 'cat' }), /Table 'browse.cat' does not exist/);
	});
}
