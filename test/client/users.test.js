// Users and roles: made, listed, changed, dropped, and what they may.
import { before, after, test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, logIn } from './client.js';

const db = 'kennel';
const permission = { super_user: false, [db]: { tables: { dog: { read: true, insert: true,
    update: false, delete: false, attribute_permissions: [] } } } };
let client;

before(async () => {
	client = await logIn();
	await client.ask('create_table', { database: db, table: 'dog', primary_key: 'id' });
	await client.ask('create_table', { database: db, table: 'vet', primary_key: 'id' });
	await client.ask('insert', { database: db, table: 'dog', records: [{ id: 1, name: 'Rex' }] });
});

after(() => client.ask('drop_database', { database: db }));

test('a role and its user, from the first to the last day', async (outer) => {
	let role, walker = new Client({ auth: { username: 'walker', password: 'walks' } });

	await outer.test('made', async () => {
		role = await client.ask('add_role', { role: 'dog_walker', permission });
		assert.equal(role.role, 'dog_walker');
		assert.equal(role.id, 'dog_walker');
		assert.equal((await client.refused(409, 'add_role', { role: 'dog_walker', permission })).error,
		    "A role with name 'dog_walker' already exists");
		assert.equal((await client.ask('add_user', { role: 'dog_walker', username: 'walker',
		    password: 'walks', active: true })).message, 'walker successfully added');
		assert.equal((await client.refused(409, 'add_user', { role: 'dog_walker',
		    username: 'walker', password: 'walks', active: true })).error,
		    'User walker already exists');
		assert.equal((await client.refused(404, 'add_user', { role: 'cat_walker',
		    username: 'other', password: 'walks', active: true })).error,
		    'cat_walker role not found');
	});

	await outer.test('listed, without secrets', async () => {
		const user = (await client.ask('list_users')).find((u) => u.username === 'walker');
		assert.equal(user.active, true);
		assert.equal(user.role.role, 'dog_walker');
		assert.deepEqual(Object.keys(user).filter((k) => /password|hash|token/.test(k)), []);
		assert.ok((await client.ask('list_roles')).some((r) => r.id === role.id));
	});

	await outer.test('may what the role says, and sees no more', async () => {
		assert.equal((await walker.ask('user_info')).username, 'walker');
		const at = { database: db, table: 'dog' };
		const rows = await walker.ask('search_by_value', { ...at, attribute: 'id', value: '*',
		    get_attributes: ['*'] });
		assert.equal(rows[0].name, 'Rex');
		await walker.ask('insert', { ...at, records: [{ id: 2 }] });
		const refused = await walker.refused(403, 'delete', { ...at, ids: [1] });
		assert.equal(refused.error, 'This operation is not authorized due to role restrictions ' +
		    'and/or invalid database items');
		assert.deepEqual(refused.unauthorized_access[0].required_table_permissions, ['delete']);
		assert.deepEqual((await walker.refused(403, 'get_configuration')).unauthorized_access,
		    ["Operation 'getConfiguration' is restricted to 'super_user' roles"]);
		const hidden = await walker.refused(403, 'search_by_id', { database: db, table: 'vet',
		    ids: [1], get_attributes: ['*'] });
		assert.deepEqual(hidden.invalid_schema_items, [`Table '${db}.vet' does not exist`]);
		const seen = await walker.ask('describe_all');
		assert.deepEqual(Object.keys(seen[db]), ['dog']);
	});

	await outer.test('changed: the role, the password, active or not', async () => {
		permission[db].tables.dog.delete = true;
		const altered = await client.ask('alter_role', { id: role.id, role: 'dog_walker', permission });
		assert.deepEqual([altered.id, altered.role, altered.permission],
		    ['dog_walker', 'dog_walker', permission]);
		await walker.ask('delete', { database: db, table: 'dog', ids: [1] });
		const said = await client.ask('alter_user', { username: 'walker', password: 'runs' });
		assert.deepEqual(said, { message: 'updated 1 of 1 records', update_hashes: ['walker'],
		    skipped_hashes: [] });
		await walker.refused(401, 'user_info');
		walker = new Client({ auth: { username: 'walker', password: 'runs' } });
		await walker.ask('user_info');
		await client.ask('alter_user', { username: 'walker', active: false });
		assert.equal((await walker.refused(401, 'user_info')).error,
		    'Cannot complete request: User is inactive');
		await client.ask('alter_user', { username: 'walker', active: true });
	});

	await outer.test('gone', async () => {
		assert.equal((await client.refused(409, 'drop_role', { id: role.id })).error,
		    'Cannot drop role dog_walker as it has active user(s) tied to this role');
		assert.equal((await client.ask('drop_user', { username: 'walker' })).message,
		    'walker successfully deleted');
		await walker.refused(401, 'user_info');
		assert.equal((await client.refused(404, 'drop_user', { username: 'walker' })).error,
		    'User walker does not exist');
		assert.equal((await client.ask('drop_role', { id: role.id })).message,
		    'dog_walker successfully deleted');
		assert.equal((await client.refused(404, 'drop_role', { id: role.id })).error,
		    'Role not found');
	});
});

test('a role that is wrong is explained', async () => {
	const wrong = { [db]: { tables: { dog: { read: 1, insert: true, update: true, jump: true } } } };
	const said = await client.refused(400, 'add_role', { role: 'wrong', permission: wrong });
	assert.equal(said.error, 'Errors in the role permissions JSON provided');
	const faults = said.schema_permissions[`${db}_dog`];
	for (const fault of ["Invalid table permission key value 'jump'",
	    'Table READ permission must be a boolean', 'Missing table DELETE permission',
	    "Missing 'attribute_permissions' array"])
		assert.ok(faults.includes(fault), `${fault}: ${JSON.stringify(faults)}`);
});
