// A client as the user interfaces of administrators are: axios, a jar of cookies, and
// either a session or Basic credentials.
import axios from 'axios';
import { CookieJar } from 'tough-cookie';
import assert from 'node:assert/strict';

const url = process.env.HL_URL;
export const admin = { username: process.env.HL_USER, password: process.env.HL_PASSWORD };

export class Client {
	constructor({ origin, auth } = {}) {
		this.jar = new CookieJar();
		this.http = axios.create({ baseURL: url, auth, timeout: 20000, validateStatus: () => true });
		this.http.interceptors.request.use(async (config) => {
			const cookie = await this.jar.getCookieString(url);
			if (cookie !== '')
				config.headers.set('Cookie', cookie);
			if (origin !== undefined)
				config.headers.set('Origin', origin);
			return config;
		});
		this.http.interceptors.response.use(async (response) => {
			for (const cookie of response.headers['set-cookie'] ?? [])
				await this.jar.setCookie(cookie, url);
			return response;
		});
	}

	// Whatever the answer is.
	send(body, config) {
		return this.http.post('/', body, config);
	}

	// What a 200 says.
	async ask(operation, fields = {}) {
		const { status, data } = await this.send({ operation, ...fields });
		assert.equal(status, 200, `${operation} ${JSON.stringify(fields)}: ${JSON.stringify(data)}`);
		return data;
	}

	// The answer that is no 200.
	async refused(status, operation, fields = {}) {
		const answer = await this.send({ operation, ...fields });
		assert.equal(answer.status, status,
		    `${operation} ${JSON.stringify(fields)}: ${JSON.stringify(answer.data)}`);
		return answer.data;
	}
}

// As user interfaces begin: a session, or Basic where there are none.
export async function logIn(user = admin) {
	const client = new Client();
	const { status } = await client.send({ operation: 'login', ...user });
	if (status === 200)
		return client;
	const basic = new Client({ auth: user });
	await basic.ask('user_info');
	return basic;
}

// Both ways to say the same: since 4.2, and before.
export const terminologies = [
	{ name: 'database, primary_key, ids', database: 'database', key: 'primary_key', ids: 'ids',
	    attribute: 'attribute', value: 'value', comparator: 'comparator', create: 'create_database',
	    drop: 'drop_database', describe: 'describe_database', byId: 'search_by_id' },
	{ name: 'schema, hash_attribute, hash_values', database: 'schema', key: 'hash_attribute',
	    ids: 'hash_values', attribute: 'search_attribute', value: 'search_value',
	    comparator: 'search_type', create: 'create_schema', drop: 'drop_schema',
	    describe: 'describe_schema', byId: 'search_by_hash' },
];

export async function until(seconds, what, check) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const found = await check();
		if (found)
			return found;
		assert.ok(Date.now() < end, `not in time: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
