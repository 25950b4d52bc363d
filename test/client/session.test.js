// How a user interface gets in: a session, its user, tokens; Basic as well.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, admin, logIn } from './client.js';

test('a login gives a session, a logout ends it', async () => {
	const client = new Client();
	const said = await client.ask('login', admin);
	assert.equal(said.message, 'Login successful');
	const [cookie] = await client.jar.getCookies(process.env.HL_URL);
	assert.match(cookie.key, /hdb-session$/);
	assert.equal(cookie.path, '/');
	assert.equal(cookie.httpOnly, true);
	const user = await client.ask('user_info');
	assert.equal(user.username, admin.username);
	assert.equal((await client.ask('logout')).message, 'Logout successful');
	assert.equal((await client.refused(401, 'user_info')).error, 'Must login');
});

test('sessions of two origins do not share a cookie', async () => {
	const one = new Client({ origin: 'https://one.example' });
	const other = new Client({ origin: 'https://other.example' });
	await one.ask('login', admin);
	await other.ask('login', admin);
	const [a] = await one.jar.getCookies(process.env.HL_URL);
	const [b] = await other.jar.getCookies(process.env.HL_URL);
	assert.notEqual(a.key, b.key);
	assert.match(a.key, /^[\w-]+$/);
	await one.ask('user_info');
});

test('a wrong login is refused', async () => {
	const client = new Client();
	assert.equal((await client.refused(401, 'login', { ...admin, password: 'wrong' })).error,
	    'Login failed');
	assert.equal((await client.jar.getCookies(process.env.HL_URL)).length, 0);
	await client.refused(401, 'user_info');
	await client.refused(401, 'login', { username: 'nobody', password: 'wrong' });
});

test('Basic credentials do as well', async () => {
	const user = await new Client({ auth: admin }).ask('user_info');
	assert.equal(user.username, admin.username);
	assert.equal(user.active, true);
	assert.equal(user.role.permission.super_user, true);
	assert.equal(user.password, undefined);
	const wrong = new Client({ auth: { ...admin, password: 'wrong' } });
	const { status, headers, data } = await wrong.send({ operation: 'user_info' });
	assert.equal(status, 401);
	assert.equal(data.error, 'Login failed');
	assert.match(headers['www-authenticate'], /^Basic/);
});

test('tokens: made by password, used as Bearer, made anew', async () => {
	const client = new Client();
	const tokens = await client.ask('create_authentication_tokens', admin);
	const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
	const asked = await client.send({ operation: 'user_info' }, bearer(tokens.operation_token));
	assert.equal(asked.data.username, admin.username);
	const anew = await client.send({ operation: 'refresh_operation_token' },
	    bearer(tokens.refresh_token));
	assert.equal(anew.status, 200, JSON.stringify(anew.data));
	const again = await client.send({ operation: 'user_info' }, bearer(anew.data.operation_token));
	assert.equal(again.status, 200);
	// A refresh token is for nothing else, and half a token for nothing.
	const wrong = await client.send({ operation: 'user_info' }, bearer(tokens.refresh_token));
	assert.equal(wrong.status, 401);
	const half = await client.send({ operation: 'user_info' },
	    bearer(tokens.operation_token.slice(0, -10)));
	assert.equal(half.status, 401);
	assert.equal(half.data.error, 'invalid token');
	assert.equal((await client.refused(401, 'create_authentication_tokens',
	    { username: admin.username, password: 'wrong' })).error, 'invalid credentials');
});

test('logging in works one way or the other', async () => {
	const client = await logIn();
	const info = await client.ask('registration_info');
	assert.equal(typeof info.version, 'string');
	assert.ok('registered' in info);
});
