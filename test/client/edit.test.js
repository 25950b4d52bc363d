// What is changed: databases, tables, attributes, rows, one by one and from CSV.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { logIn, terminologies, until } from './client.js';

const client = await logIn();

for (const t of terminologies) {
	const db = `edit_${t.database}`;
	const at = { [t.database]: db, table: 'cat' };
	const row = async (id) => (await client.ask(t.byId, { ...at, [t.ids]: [id],
	    get_attributes: ['*'] }))[0];

	test(`${t.name}: from an empty database to none`, async (outer) => {
		await outer.test('a database and a table', async () => {
			assert.equal((await client.ask(t.create, { [t.database]: db })).message,
			    `database '${db}' successfully created`);
			assert.equal((await client.refused(400, t.create, { [t.database]: db })).error,
			    `database '${db}' already exists`);
			assert.equal((await client.ask('create_table', { ...at, [t.key]: 'id' })).message,
			    `table '${db}.cat' successfully created.`);
			assert.equal((await client.refused(400, 'create_table', { ...at, [t.key]: 'id' })).error,
			    `Table 'cat' already exists in '${db}'`);
			assert.equal((await client.ask('create_attribute', { ...at, attribute: 'lives' })).message,
			    `attribute '${db}.cat.lives' successfully created.`);
		});

		await outer.test('insert, update, upsert, delete', async () => {
			const inserted = await client.ask('insert', { ...at,
			    records: [{ id: 1, name: 'Tom', lives: 9 }, { id: 'b', name: 'Mia' }] });
			assert.deepEqual(inserted, { message: 'inserted 2 of 2 records',
			    inserted_hashes: [1, 'b'], skipped_hashes: [] });
			const again = await client.ask('insert', { ...at, records: [{ id: 1 }, { id: 2 }] });
			assert.deepEqual(again.skipped_hashes, [1]);
			assert.deepEqual(again.inserted_hashes, [2]);

			const updated = await client.ask('update', { ...at,
			    records: [{ id: 1, lives: 8 }, { id: 77, lives: 1 }] });
			assert.deepEqual(updated, { message: 'updated 1 of 2 records', update_hashes: [1],
			    skipped_hashes: [77] });
			const tom = await row(1);
			assert.equal(tom.name, 'Tom');
			assert.equal(tom.lives, 8);
			assert.ok(tom.__updatedtime__ > tom.__createdtime__);

			const upserted = await client.ask('upsert', { ...at, records: [{ id: 'b', lives: 7 },
			    { name: 'no key' }] });
			assert.equal(upserted.message, 'upserted 2 of 2 records');
			assert.equal(upserted.upserted_hashes[0], 'b');
			assert.equal((await row(upserted.upserted_hashes[1])).name, 'no key');

			const one = await client.ask('delete', { ...at, [t.ids]: [2] });
			assert.deepEqual(one, { message: '1 of 1 record successfully deleted',
			    deleted_hashes: [2], skipped_hashes: [] });
			const two = await client.ask('delete', { ...at, [t.ids]: [1, 99] });
			assert.equal(two.message, '1 of 2 records successfully deleted');
			assert.deepEqual(two.skipped_hashes, [99]);
			assert.equal(await row(1), undefined);
		});

		await outer.test('what is wrong with them is said', async () => {
			const error = async (status, operation, fields) =>
			    (await client.refused(status, operation, { ...at, ...fields })).error;
			assert.match(await error(400, 'insert', {}), /'records' is required/);
			assert.match(await error(400, 'insert', { records: [{ id: null }] }), /Invalid hash value/);
			assert.match(await error(400, 'update', { records: [{ name: 'x' }] }),
			    /a valid hash attribute must be provided with update record/);
			assert.match(await error(400, 'insert', { records: [{ id: 5, 'a/b': 1 }] }),
			    /Attribute names cannot include backticks or forward slashes/);
			assert.match(await error(400, 'insert', { table: 'no', records: [{ id: 5 }] }),
			    new RegExp(`Table '${db}.no' does not exist`));
			assert.match(await error(400, 'delete', {}), /'hash_values' is required/);
			assert.match(await error(403, 'insert', { [t.database]: 'system', table: 'hdb_job',
			    records: [{ id: 'x' }] }), /The 'system' database/);
		});

		await outer.test('CSV, and its job', async () => {
			const started = await client.ask('csv_data_load', { ...at, action: 'insert',
			    data: 'id,name,lives\r\n101,"Kit, the ""cat""",3\r\n102,Pim,\r\n' });
			assert.equal(started.message, `Starting job with id ${started.job_id}`);
			assert.equal(started.message.split(' ')[4], started.job_id);
			const job = await until(10, 'the job ends', async () => {
				const [found, ...others] = await client.ask('get_job', { id: started.job_id });
				assert.equal(others.length, 0);
				return ['COMPLETE', 'ERROR'].includes(found.status) && found;
			});
			assert.equal(job.status, 'COMPLETE');
			assert.equal(job.message, 'successfully loaded 2 of 2 records');
			assert.equal(job.type, 'csv_data_load');
			assert.equal(job.request, undefined);
			const kit = await row(101);
			assert.equal(kit.name, 'Kit, the "cat"');
			assert.equal(kit.lives, 3);
			const today = new Date(Date.now() - 86400000).toISOString();
			const jobs = await client.ask('search_jobs_by_start_date', { from_date: today,
			    to_date: new Date(Date.now() + 86400000).toISOString() });
			assert.ok(jobs.some((j) => j.id === started.job_id));
			await client.refused(400, 'csv_data_load', { ...at, action: 'replace', data: 'id\n1\n' });
		});

		await outer.test('attribute, table and database go', async () => {
			assert.equal((await client.ask('drop_attribute', { ...at, attribute: 'lives' })).message,
			    "successfully deleted attribute 'lives'");
			assert.equal((await client.refused(400, 'drop_attribute', { ...at, attribute: 'id' })).error,
			    'You cannot drop a hash attribute');
			assert.equal((await client.ask('drop_table', at)).message,
			    `successfully deleted table '${db}.cat'`);
			assert.equal((await client.refused(404, 'drop_table', at)).error,
			    `Table '${db}.cat' does not exist`);
			assert.equal((await client.ask(t.drop, { [t.database]: db })).message,
			    `successfully deleted '${db}'`);
			assert.equal((await client.refused(404, t.drop, { [t.database]: db })).error,
			    `database '${db}' does not exist`);
		});
	});
}
