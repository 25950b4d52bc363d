#!/usr/bin/env bats
# Builds whose formats have nothing in common: n1 is of this one, n2 by turns of others (raised.c).

load node.bash

start_nodes()
{
	build_of raised raised/opsd
	build_of wire raised-wire/opsd
	node_start n1
	make_table n1 t
	insert n1 t '{"id":"one"}'
	node_make n2
	of raised node_run n2
	wait_until 20 node_ready n2
	if by_links; then
		route n1 n2
	else
		mesh n1 n2
	fi
}

# A folder with all that `hubleaf run` starts; it looks beside itself.
build_of()	# build_of NAME OPSD
{
	mkdir -p "$HL_T/builds/$1"
	cp "$HL_BUILD/opsd/hubleaf" "$HL_T/builds/$1/hubleaf"
	ln -s "$HL_BUILD/test/functional/$2" "$HL_T/builds/$1/opsd"
	ln -s "$HL_BUILD/test/functional/raised/leafd" "$HL_T/builds/$1/leafd"
	ln -s "$HL_BUILD/hubd/hubd" "$HL_T/builds/$1/hubd"
}

of()		# of BUILD COMMAND...
{
	local build=$1

	shift
	HL_CLI=$HL_T/builds/$build/hubleaf "$@"
}

wants()		# wants OPERATION NODE: its table t, both ways
{
	local named='"node_name":"'$2'"'

	! by_links || named='"hostname":"'$2'","port":'$(port "$2" link)
	printf '{"operation":"%s",%s,"subscriptions":[{"database":"dev","table":"t",
	    "publish":true,"subscribe":true}]}' "$1" "$named"
}

words="Nodes 'n[12]' and 'n[12]' cannot work together: 'n[12]' \\(version [0-9.]+\\) speaks format [0-9]+, \
and 'n[12]' \\(version [0-9.]+\\) speaks format [0-9]+\\. Update hubleaf on 'n1'"

connection()	# connection NODE JQ: to the other
{
	ok "$1" '{"operation":"cluster_status"}' ".connections[0] | $2"
}

link_warned()	# link_warned NODE: of the other's format
{
	ok "$1" '{"operation":"cluster_status"}' \
	    "[.warnings[] | select(.kind == \"link_refused\" or .kind == \"link_failing\") | .message |
	    select(test(\"${words//\\/\\\\}\"))] | length > 0"
}

is_refused()	# is_refused NODE: as far as it says
{
	connection "$1" ".status == \"refused\" and (.error | test(\"${words//\\/\\\\}\"))" || return 1
	if by_links; then
		connection "$1" '.connected == false' || return 1
		link_warned "$1"
	else
		ok "$1" '{"operation":"cluster_status"}' '[.warnings[].kind] | index("format") != null'
	fi
}

is_open()
{
	connection "$1" '.status == "open" and has("error") == false' &&
	    ok "$1" '{"operation":"cluster_status"}' '[.warnings[].kind] | index("format") == null'
}

says()		# says NODE N: its log, so often; of links, at all
{
	! by_links || {
		grep -qE "not linked: $words" "$HL_T/nodes/$1/log"
		return
	}
	[ "$(grep -cE "$words: nothing goes between them" "$HL_T/nodes/$1/log")" = "$2" ]
}

@test "who shares no format is refused by both, in words that name both" {
	local operation status=409 log="a question is refused: $words"

	! by_links || status=504 log="a link is refused to [0-9.:]+: $words"
	for operation in add_node set_node_replication; do
		op n1 "$(wants "$operation" n2)"
		[ "$code" = $status ]
		jq -r .error <<<"$body" | grep -qE "$words"
		op n2 "$(wants "$operation" n1)"
		[ "$code" = $status ]
		jq -r .error <<<"$body" | grep -qE "$words"
	done
	grep -qE "$log" "$HL_T/nodes/n1/log"
	grep -qE "$log" "$HL_T/nodes/n2/log"
	# Nothing was taken.
	ok n1 '{"operation":"cluster_status"}' '[.connections[] | select(.replicates != false)] == []'
	ok n2 '{"operation":"cluster_status"}' '[.connections[] | select(.replicates != false)] == []'
	! by_links || wait_until 20 is_refused n1
	ok n2 '{"operation":"describe_all"}' 'has("dev") == false'
}

@test "a store of another format is refused in words, and stays as it is" {
	node_stop n2
	run timeout 20 "$HL_BUILD/opsd/opsd" -c "$HL_T/nodes/n2/hubleaf.yaml"
	[ "$status" = 1 ]
	[[ "$output" =~ "the store is of format "[0-9]+", and this version ("[0-9.]+") reads format "[0-9]+": start the version that wrote it" ]]
	of raised node_run n2
	node_stop n2
	# As the words say.
	mkdir "$HL_T/away"
	mv "$(root n2)/database" "$HL_T/away"
	by_links || mv "$(root n2)/clustering" "$HL_T/away"
	node_run n2
	wait_until 20 in_network n1 n2
	wait_until 20 in_network n2 n1
	subscribe n1 n2 t true true 2020-01-01T00:00:00.000Z
	wait_until 20 has_row n2 t '"one"'
}

job_was_refused()
{
	ok "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" '.[0] | .status == "ERROR" and
	    (.message | contains("cannot work together"))'
}

resync_refused()
{
	local ask='{"operation":"resync","node_name":"n2","database":"dev","table":"t"}' job

	if by_links; then
		refused n1 504 "$ask" "not linked with this node, see cluster_status"
	else
		job=$(ask n1 "$ask" | jq -r .job_id)
		wait_until 20 job_was_refused n1 "$job"
	fi
}

@test "a peer that shares no format any more is refused, and nothing goes between them" {
	local refusal=409

	! by_links || refusal=504
	node_stop n2
	insert n1 t '{"id":"before"}'
	of wire node_run n2
	wait_until 20 is_refused n1
	wait_until 20 is_refused n2
	says n1 1
	says n2 1
	insert n1 t '{"id":"from n1"}'
	insert n2 t '{"id":"from n2"},{"id":"more from n2"}'
	make_table n1 u
	op n1 "$(wants set_node_replication n2 | sed 's/"t"/"u"/')"
	[ "$code" = $refusal ]
	resync_refused
	counts n1 t 3
	counts n2 t 3
	is_refused n1
	is_refused n2
	says n1 1
	says n2 1
}

@test "with builds that share one again all comes, what the other wrote too" {
	node_stop n2
	node_run n2
	wait_until 30 counts n1 t 5
	wait_until 30 counts n2 t 5
	wait_until 20 is_open n1
	wait_until 20 is_open n2
	same_rows 20 t n1 n2
	insert n2 t '{"id":"live"}'
	wait_until 20 has_row n1 t '"live"'
	! by_links || return 0
	# Its stream has frames of the other build, which are none here.
	curl -s -u "$HL_USER:$HL_PASSWORD" "http://127.0.0.1:$(port n1 api)/metrics" |
	    grep -Eq '^hubleaf_broken_messages_total\{of="frame"\} [1-9]'
	grep -q 'frame of node n2 .* is dropped: it is of format' "$HL_T/nodes/n1/log"
}
