#!/usr/bin/env bats
# A real HTTP client, with a jar of cookies, does what an administrator's user interface
# does: test/client, an npm package of its own.

load node.bash

setup_file()
{
	hl_begin
	start_nodes
	cp -r "$HL_SRC/test/client" "$HL_T/client"
	rm -rf "$HL_T/client/node_modules"
	npm_install >"$HL_T/npm.log" 2>&1 || :
}

start_nodes()
{
	node_start n1
}

npm_install()
{
	command -v npm && command -v node && npm ci --prefix "$HL_T/client" --ignore-scripts
}

# Without npm's registry there is nothing to run; all else is a fault of ours.
need_packages()
{
	[ ! -d "$HL_T/client/node_modules/axios" ] || return 0
	command -v npm >/dev/null || loud_skip "npm is not installed: the client is not tested"
	timeout 60 npm ping >/dev/null 2>&1 ||
	    loud_skip "npm has no registry: the client is not tested"
	cat "$HL_T/npm.log"
	return 1
}

loud_skip()
{
	echo "# $1" >&3
	skip "$1"
}

# need OPERATION: what is not there yet is not tested yet; asked by nobody, so without effect
need()
{
	local answer

	answer=$(curl -s -m 20 -d "{\"operation\":\"$1\"}" "http://127.0.0.1:$(port n1 api)/")
	[[ $answer != *"'$1' not found"* ]] || loud_skip "there is no $1"
}

client()	# client FILE
{
	need_packages
	cd "$HL_T/client" || return 1
	HL_URL=http://127.0.0.1:$(port n1 api) HL_USER=$HL_USER HL_PASSWORD=$HL_PASSWORD \
	    timeout 120 node --test "$1.test.js"
}

@test "sessions, tokens, Basic" {
	need login
	need create_authentication_tokens
	client session
}

@test "databases, tables and rows are browsed" {
	client browse
}

@test "databases, tables and rows are edited, CSV is loaded" {
	client edit
}

@test "users and roles" {
	client users
}

@test "the system's tables, rows, a role, jobs and logs, as an administrator has them" {
	client manage
}

@test "configuration, load, log, requests from a browser" {
	client node
}

@test "a restart" {
	need restart
	client restart
}
