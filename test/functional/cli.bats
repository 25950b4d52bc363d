#!/usr/bin/env bats
# hubleaf, the command: operations over the domain socket, status, run.

load node.bash

bats_require_minimum_version 1.5.0

start_nodes()
{
	node_start n1
}

cli()
{
	run "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" "$@"
}

@test "help and version" {
	run "$HL_CLI" help
	[ "$status" = 0 ]
	[[ $output == usage:* ]]
	run "$HL_CLI" version
	[ "$status" = 0 ]
	[[ $output =~ [0-9]+\.[0-9]+ ]]
	run "$HL_CLI"
	[ "$status" != 0 ]
	for p in opsd/opsd hubd/hubd leafd/leafd; do
		run "$HL_BUILD/$p" -v
		[ "$status" = 0 ]
		run "$HL_BUILD/$p" --no-such
		[ "$status" != 0 ]
	done
}

@test "operations over the domain socket, without a password" {
	cli create_table table=dog primary_key=id
	[ "$status" = 0 ]
	cli insert table=dog 'records=[{"id":1,"name":"Penny"}]'
	[ "$status" = 0 ]
	cli search_by_id table=dog 'ids=[1]' 'get_attributes=["*"]' json=true
	[ "$status" = 0 ]
	jq -e '.[0].name == "Penny"' <<<"$output"
	cli describe_table table=dog
	[[ $output == *"hash_attribute: id"* ]]
}

@test "a refusal is exit status 1 and a text" {
	cli describe_table table=none
	[ "$status" = 1 ]
	[[ $output == *"'data.none' does not exist"* ]]
	cli fly
	[ "$status" = 1 ]
	cli insert table=none 'records=[{"id": fly}]'
	[ "$status" = 1 ]
	[[ $output == *"'records' must be an array"*"records was sent as text, as it is not JSON: "*fly* ]]
}

@test "a field from a file: its text, even if it looks like a number" {
	printf 7 >"$HL_T/7"
	cli describe_database database@="$HL_T/7"
	[[ $status = 1 && $output == *"database '7' does not exist"* ]]
	cli describe_database database@=/nowhere
	[[ $status = 1 && $output == *"/nowhere: No such file or directory"* ]]
	cli describe_database database@="$HL_T"
	[[ $status = 1 && $output == *"$HL_T: Is a directory"* ]]
	printf '\377' >"$HL_T/7"
	cli describe_database database@="$HL_T/7"
	[[ $status = 1 && $output == *"is not UTF-8"* ]]
}

@test "help: an operation's fields with kind, default and example" {
	run "$HL_CLI" help add_node
	[ "$status" = 0 ]
	[[ $output == *"node_name           text, optional"*"Example: node_name=boston"* ]]
	[[ $output == *"subscriptions[].start_time"*"default now"* ]]
	first=$output
	run "$HL_CLI" add_node node_name=x --help
	[ "$output" = "$first" ]
	run "$HL_CLI" help set_node_replication
	[[ $output == "update_node: "*"also called set_node_replication"* ]]
	run "$HL_CLI" help operations
	[[ $output == *csv_url_load*system_information* ]]
	run "$HL_CLI" help ad_node
	[[ $status = 1 && $output == *"did you mean 'add_node'?"* ]]
	run "$HL_CLI" status --help
	[[ $status = 0 && $output == usage:* ]]
}

@test "did you mean: operations and fields" {
	cli serch_by_id table=dog
	[[ $status = 1 && $output == *"Operation 'serch_by_id' not found"*"did you mean 'search_by_id'?"* ]]
	# refused: what is misspelt would have no effect
	cli search_by_value table=dog attribute=id value='*' 'get_attributes=["*"]' limt=1
	[[ $status = 1 && $output == *"search_by_value has no field 'limt', did you mean 'limit'?"* ]]
	cli describe_table table=dog colour=red
	[[ $status = 1 && $output == *"no field 'colour', see hubleaf help describe_table"* ]]
	cli describe_table table=dog file=x
	[[ $status = 1 && $output == *"no field 'file'"* ]]
}

@test "did you mean: options, and operations that are asked about" {
	cli status --lnog
	[[ $status = 1 && $output == *"unknown flag '--lnog', did you mean '--long'?"* ]]
	cli backup folder="$HL_T" --kep 2
	[[ $status = 1 && $output == *"did you mean '--keep'?"* ]]
	run "$HL_CLI" --LOGING_LEVEL=debug version
	[[ $status = 1 && $output == *"unknown flag '--LOGING_LEVEL', did you mean '--LOGGING_LEVEL'?"* ]]
	run "$HL_CLI" insrt --help
	[[ $status = 1 && $output == *"there is no operation 'insrt', did you mean 'insert'?" ]]
	cli backup folder="$HL_T" keep=2
	[[ $status = 1 && $output == *"backup takes how many stay as --keep 2" ]]
}

@test "flags of HarmonyLite: as they are typed there, or a word about what is typed here" {
	run "$HL_CLI" run -config config.toml
	[[ $status = 2 && $output == *"'-config' is -c here"*"convert-config"* ]]
	run "$HL_CLI" run -cleanup
	[[ $status = 2 && $output == *"unknown flag: -cleanup"* ]]
	run "$HL_CLI" run -cluster-addr
	[[ $status = 2 && $output == *"'-cluster-addr' needs a value"* ]]
	run "$HL_CLI" run -cluster-peers=nats://127.0.0.1:port/
	[[ $status = 1 && $output == *"-cluster-peers takes host:port"* ]]
	run "$HL_CLI" run --cluster-addr=4222
	[[ $status = 1 && $output == *"-cluster-addr takes host:port, and '4222' is none"* ]]
	printf '[nats]\nurls = []\n' >"$HL_T/config.toml"
	run "$HL_CLI" -c "$HL_T/config.toml" run
	[[ $status = 1 && $output == *"convert-config"* ]]
}

@test "sql: a statement of one word" {
	cli sql begin
	[[ $status = 1 && $output == *"'begin' is not allowed in 'sql'"* ]]
}

@test "help: the examples can be pasted" {
	run "$HL_CLI" help csv_data_load
	[[ $output == *"Example: delimiter='\t'"* ]]
	run "$HL_CLI" help set_configuration
	[[ $output == *"hubleaf set_configuration logging_level=debug"* ]]
	cli ${output##*hubleaf }
	[ "$status" = 0 ]
}

@test "values from files and standard input; whole bodies" {
	printf '[{"id":10,"name":"Tia","price":19.99}]' >"$HL_T/rows.json"
	cli insert table=dog records@="$HL_T/rows.json"
	[[ $status = 0 && $output == *"inserted 1 of 1"* ]]
	cli insert table=dog records@=- <<<'[{"id":11,"name":"007"}]'
	[[ $status = 0 && $output == *"inserted 1 of 1"* ]]
	printf '[\n{"id":12},\n' >"$HL_T/rows.json"
	cli insert table=dog records@="$HL_T/rows.json"
	[[ $status = 1 && $output == *"records was sent as text, as it is not JSON: line 3"* ]]
	# a body: alone, for an operation, with more fields
	printf '{"operation":"search_by_id","table":"dog","ids":[10],"get_attributes":["name"]}' >"$HL_T/body"
	cli "@$HL_T/body"
	[[ $status = 0 && $output == *Tia* ]]
	cli search_by_id @- 'ids=[11]' json=true <"$HL_T/body"
	jq -e '.[0].name == "007"' <<<"$output"
	cli insert "@$HL_T/body"
	[[ $status = 1 && $output == *"is of the operation 'search_by_id', not of 'insert'"* ]]
	cli insert @- <<<'{"operation":'
	[[ $status = 1 && $output == *"-: is not JSON: line "* ]]
	# text is text, whatever it looks like
	cli describe_table table=7
	[[ $status = 1 && $output == *"'data.7' does not exist"* ]]
}

@test "numbers print as they are stored; lists as tables" {
	cli search_by_id table=dog 'ids=[10]' 'get_attributes=["price"]'
	[ "$output" = "- price: 19.99" ]
	cli search_by_id table=dog 'ids=[10]' 'get_attributes=["price"]' json=true
	[[ $output == *'"price": 19.99'* ]]
	cli search_by_id table=dog 'ids=[10,11]' 'get_attributes=["id","name","price"]' as=table
	[ "${lines[0]}" = "id  name  price" ]
	[ "${lines[1]}" = "10  Tia   19.99" ]
	[ "${lines[2]}" = "11  007   null" ]
	cli describe_table table=dog as=table
	[[ $output == *"hash_attribute: id"* ]]
	cli describe_table table=dog as=paper
	[[ $status = 1 && $output == *"'as' must be one of [yaml, json, table, csv]"* ]]
}

@test "what a terminal would obey is not printed to it: keys, values, words of an error" {
	local look

	cli insert table=dog 'records=[{"id":"k\u001b[31m\u009b","v":"v\u0007\u007f"}]'
	for look in table json yaml; do
		cli search_by_id table=dog 'ids=["k\u001b[31m\u009b"]' 'get_attributes=["id","v"]' as=$look
		[ "$status" = 0 ]
		[[ ! $output =~ [$'\001'-$'\011'$'\013'-$'\037'$'\177'] ]] || return 1
		[[ $output != *$'\302\233'* && $output = *"k"*"[31m"* ]]
	done
	cli describe_table table=$'a\033[31mb'
	[[ $status = 1 && $output = *"a?[31mb"* ]]
	cli delete table=dog 'ids=["k\u001b[31m\u009b"]'
}

@test "a table of users is no wider than a screen: roles by name" {
	cli add_role role=narrow permission='{"super_user":false}'
	cli add_user username=wide role='["super_user","narrow"]' active=true password@=- <<<wide
	cli list_users as=table
	[[ $output != *permission* && $output == *" super_user, narrow"* ]]
	[ "$(wc -L <<<"$output")" -lt 100 ]
	cli drop_user username=wide
}

@test "a password from a file, standard input or the terminal, not among the arguments" {
	echo secret-1 >"$HL_T/password"
	cli add_user username=joe role=super_user active=true password@="$HL_T/password"
	[[ $status = 0 ]]
	cli login username=joe password@=- <<<secret-1
	[[ $status = 0 && $output == *"Login successful"* ]]
	# without a terminal the node says that it lacks
	cli add_user username=ann role=super_user
	[[ $status = 1 && $output == *"'password' is required"* ]]
	run setsid "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" alter_user username=joe password
	[[ $status = 1 && $output == *"no terminal to ask for 'password'"* ]]
	needs_terminal
	type_on_terminal $'secret-2\nsecret-2\n' add_user username=ann role=super_user
	[[ $status = 0 && $output == *"ann successfully added"* && $output != *secret-2* ]]
	type_on_terminal $'\n\n' add_user username=joint role=cluster_user
	[[ $status = 0 && $output == *"joint successfully added"* ]]
	[[ $output =~ password:\ [0-9a-f]{32} ]]
	type_on_terminal $'secret-2\n' login username=ann password
	[[ $status = 0 && $output == *"Login successful"* ]]
	type_on_terminal $'secret-2\nsecret-3\n' alter_user username=ann password
	[[ $status = 1 && $output == *"two passwords"* ]]
	type_on_terminal $'secret-2\n' user_info target="http://127.0.0.1:$(port n1 api)" username=ann
	[[ $status = 0 && $output == *"username: ann"* ]]
}

@test "an operation at another address" {
	cli user_info target="http://127.0.0.1:$(port n1 api)" username=admin password=admin-secret json=true
	[ "$status" = 0 ]
	jq -e '.username == "admin"' <<<"$output"
	cli user_info target="http://127.0.0.1:$(port n1 api)" username=admin password=wrong
	[ "$status" = 1 ]
	cli user_info target="http://127.0.0.1:1" username=admin password=x
	[ "$status" = 1 ]
}

@test "status" {
	cli status
	[ "$status" = 0 ]
	[[ $output == *running* ]]
	[[ $output == *n1* ]]
	# It has its users and its name; nobody is there.
	[[ $output != *"no administrator"* && $output != *"no node name"* ]]
	[[ $output != *"no cluster user"* && $output == *"no route to another node"* ]]
	[[ $output == *"n1  running  up "*" health good"*"hub server running, leaf server running"* ]]
	[ "${#lines[@]}" -lt 10 ]
	cli status limit=1
	[[ $status = 1 && $output == *"'limit' is not a field"* ]]
}

@test "status --long has all, in the words of cluster_status" {
	cli status --long
	[[ $status = 0 && $output == *"hub_server:"*"connections: []"*"warnings: []"* ]]
	first=$output
	cli status long=true
	[ "${output%%network:*}" != "" ]
	[[ $first == *"node_name: n1"* && $output == *"node_name: n1"* ]]
}

@test "status and top of another node" {
	local url

	url=http://127.0.0.1:$(port n1 api)
	run "$HL_CLI" -c /dev/null status target="$url" username=admin password=admin-secret
	[[ $status = 0 && $output == *"n1  running  up "*"hub server running"* ]]
	run "$HL_CLI" -c /dev/null status target="$url" username=admin password=wrong
	[[ $status = 1 && $output == *"Login failed"* ]]
	run "$HL_CLI" -c /dev/null status target=http://127.0.0.1:1 username=admin password=x
	[[ $status = 1 && $output == *"Connection refused"* ]]
	cli top count=2 interval=0.1
	[[ $status = 0 && $output == *"n1  running"*"n1  running"* && $output != *$'\033'* ]]
	cli top interval=0
	[[ $status = 1 && $output == *"'interval' must be a number"* ]]
	needs_terminal
	on_terminal top count=2 interval=0.1
	[[ $status = 0 && $output == *$'\033[H'*"n1  running"*$'\033[J'*$'\033[H'*"n1  running"* ]]
}

@test "status: since when, health and why, what waits" {
	cli status json=true
	jq -e '.hubleaf | .status == "running" and (.uptime | test("^([0-9]+m )?[0-9]+s$")) and .health == "good" and
	    (.version | length > 0)' <<<"$output"
	jq -e 'has("pending") | not' <<<"$output"
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000,"threads":2}'
	cli status json=true
	[ "$status" = 0 ]
	jq -e '.hubleaf.health == "bad: writes are refused: free disk is below storage.reserve"' <<<"$output"
	jq -e '.pending == ["threads is set, and in force after a restart"]' <<<"$output"
	ok n1 '{"operation":"set_configuration","storage_reserve":null,"threads":1}'
	cli status json=true
	jq -e '.hubleaf.health == "good" and (has("pending") | not)' <<<"$output"
}

@test "members of the group of the folder use it all, who may not read the node's data" {
	local run

	[ "$(id -u)" = 0 ] || skip "not root"
	run=$(mktemp -d "${TMPDIR:-/tmp}/hl.XXXXXX")
	chgrp 65534 "$run"
	chmod 2750 "$run"
	node_make g1
	sed "s|^rootPath.*|&\nrunPath: $run|; s|^  network:\$|&\n    domainSocket: $run/operations-server|" \
	    "$HL_T/nodes/g1/hubleaf.yaml" >"$run/hubleaf.yaml"
	cp "$run/hubleaf.yaml" "$HL_T/nodes/g1/hubleaf.yaml"
	chmod 644 "$run/hubleaf.yaml"
	chmod 700 "$(root g1)"
	(umask 077 && node_run g1)
	ok g1 '{"operation":"set_configuration","logging_level":"debug"}'
	chmod 750 "$run"	# as it was made, without what its files inherit
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$HL_CLI" -c "$run/hubleaf.yaml" user_info
	[[ $status = 0 && $output == *"super_user: true"* ]]
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$HL_CLI" -c "$run/hubleaf.yaml" status
	[[ $status = 0 && $output == *"g1  running  up "* ]]
	node_stop g1
	rm -rf "$run"
}

@test "nobody there" {
	printf 'rootPath: %s/none\n' "$HL_T" >"$HL_T/none.yaml"
	run "$HL_CLI" -c "$HL_T/none.yaml" describe_all
	[ "$status" = 1 ]
	run "$HL_CLI" -c "$HL_T/none.yaml" status
	[ "$status" = 1 ]
}

@test "status says why a node does not start" {
	node_make f1
	cp "$HL_T/nodes/n1/port.api" "$HL_T/nodes/f1/port.api"
	node_config f1 >"$HL_T/nodes/f1/hubleaf.yaml"
	run "$HL_CLI" run -c "$HL_T/nodes/f1/hubleaf.yaml"
	[ "$status" = 1 ]
	[[ $output == *"giving up"* ]]
	run "$HL_CLI" -c "$HL_T/nodes/f1/hubleaf.yaml" status
	[ "$status" = 1 ]
	[[ ${lines[0]} == "failed: "*" [error]"*"port $(port n1 api): Address already in use" ]]
	[[ $output == *"this node  stopped"* ]]
	[[ $output != *running* ]]
}

# As it is in each of its tries to start, for as long as these take.
@test "a node that runs and does not answer is not said to be running" {
	local pid

	pid=$(cat "$(root n1)/run/opsd.pid")
	kill -STOP "$pid"
	cli status json=true
	kill -CONT "$pid"
	[ "$status" = 1 ]
	jq -e --arg pid "$pid" '.hubleaf | .status == "not answering" and .pid == ($pid | tonumber) and
	    (.health | startswith("does not answer: "))' <<<"$output"
	jq -e '.clustering | .hub_server.status == "unknown" and .leaf_server.status == "unknown"' <<<"$output"
	cli status
	[[ $status = 0 && $output == *"n1  running"* ]]
}

on_terminal()	# on_terminal ARG...: the same on a terminal; $output has no line ends of one
{
	local args

	printf -v args '%q ' "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" "$@"
	run script -qec "$args" /dev/null
	output=${output//$'\r'/ }
}

# Each line when it is asked for, so that nothing is shown before the terminal is silent.
type_on_terminal()	# type_on_terminal TEXT ARG...
{
	local args text=$1 line

	shift
	printf -v args '%q ' "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" "$@"
	: >"$HL_T/typescript"
	run script -qefc "$args" "$HL_T/typescript" < <(
		n=0
		while IFS= read -r line; do
			n=$((n + 1))
			wait_until 10 eval "[ \"\$(grep -aoE '(password|Again): ' '$HL_T/typescript' | wc -l)\" -ge $n ]"
			printf '%s\r' "$line"
		done <<<"${text%$'\n'}"
		wait_until 10 eval "grep -aq 'COMMAND_EXIT_CODE' '$HL_T/typescript'"
	)
	output=${output//$'\r'/ }
}

completes()	# completes WANTED WORD...: the last one
{
	local wanted=$1

	shift
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_hubleaf
	[ "${COMPREPLY[*]}" = "$wanted" ] || {
		echo "$*: ${COMPREPLY[*]}"
		return 1
	}
}

@test "completion" {
	# shellcheck disable=SC1091 # made when building
	source "$HL_BUILD/packaging/hubleaf"
	compopt() { :; }
	PATH=$HL_BUILD/opsd:$PATH
	completes get_backup hubleaf get_b
	completes restore hubleaf -c /etc/x resto
	completes file= hubleaf restore f
	completes wait= hubleaf csv_file_load wa
	completes file= hubleaf get_backup "fi"
	completes "file_path=" hubleaf csv_file_load "fi"
	completes "node_name=" hubleaf add_node no
	completes "" hubleaf add_node rec
	completes "get_attributes=" hubleaf search_by_hash get
	completes "set_node_replication" hubleaf help set_node_r
	completes "--long" hubleaf status --l
	completes "interval=" hubleaf top int
	completes "count=" hubleaf top cou
	completes "" hubleaf status int
	completes "jobs_retention=" hubleaf set_configuration jobs_r
}

@test "wait: how a job ended is the answer" {
	cli create_table table=loaded primary_key=id
	for n in {1..20000}; do echo "$n,some name"; done | sed '1i id,name' >"$HL_T/rows.csv"
	cli csv_file_load table=loaded file_path="$HL_T/rows.csv" wait=true json=true
	[ "$status" = 0 ]
	jq -e '.status == "COMPLETE" and .message == "successfully loaded 20000 of 20000 records" and
	    .progress.loaded == 20000 and .progress.bytes == .progress.total_bytes' <<<"$output"
	id=$(jq -r .id <<<"$output")
	cli get_job id="$id" wait=true
	[ "$status" = 0 ]
	[[ $output == *"status: COMPLETE"* ]]
	# one that fails is exit status 1, and so is none
	sed -i '$a x/y,z' "$HL_T/rows.csv"
	cli csv_file_load table=loaded file_path="$HL_T/rows.csv" action=upsert wait=true
	[ "$status" = 1 ]
	[[ $output == *"status: ERROR"* ]]
	cli get_job id=none wait=true
	[ "$status" = 1 ]
	[[ $output == *"there is no job none"* ]]
	# what begins no job is as ever
	cli describe_table table=loaded wait=true
	[ "$status" = 0 ]
	[[ $output == *"record_count: 20000"* ]]
	# not into files
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" get_job id="$id" wait=true 2>"$HL_T/err"
	[ ! -s "$HL_T/err" ]
	cli status wait=true
	[ "$status" = 0 ]
	[[ $output == *running* ]]
	# all of it, and of a refusal nothing
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" search_by_value table=loaded attribute=id value='*' \
	    'get_attributes=["id","name"]' as=csv >"$HL_T/out.csv"
	[ "$(head -n 1 "$HL_T/out.csv" | tr -d "\r")" = id,name ]
	[ "$(grep -c ',some name' "$HL_T/out.csv")" = 20000 ]
	run --separate-stderr "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" search_by_id table=none 'ids=[1]' 'get_attributes=["*"]' as=csv
	[[ $status = 1 && -z $output && $stderr == *"does not exist"* ]]
}

@test "wait: a terminal shows how far a job is" {
	needs_terminal
	sed -i '$d' "$HL_T/rows.csv"
	on_terminal csv_file_load table=loaded file_path="$HL_T/rows.csv" action=upsert wait=true
	[ "$status" = 0 ]
	[[ $output == *"csv_file_load  ["*"] "*%*" of "*"status: COMPLETE"* ]]
}

@test "run brings back what dies" {
	for p in opsd hubd leafd; do
		old=$(node_pid n1 $p)
		node_kill n1 $p KILL
		wait_until 15 eval "[ \"\$(node_pid n1 $p)\" != $old ] && kill -0 \"\$(node_pid n1 $p)\""
	done
	wait_until 20 node_answers n1
	wait_until 20 node_ready n1
}

@test "a second run in the same folder does not disturb the first" {
	run timeout 30 "$HL_CLI" run -c "$HL_T/nodes/n1/hubleaf.yaml"
	[ "$status" != 0 ]
	[ "$status" != 124 ]
	node_answers n1
	node_ready n1
}

@test "SIGINT stops all and leaves no process" {
	node_start n2
	kill -INT "$(node_pid n2 run)"
	wait_until 20 node_is_gone n2
	[ -z "$(ls "$(root n2)/run" | grep pid)" ]
}

@test "run killed: the daemons end, too" {
	node_start n3
	node_kill n3 run KILL
	wait_until 20 node_is_gone n3
	node_run n3
	wait_until 20 node_ready n3
}
