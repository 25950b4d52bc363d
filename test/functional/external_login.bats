#!/usr/bin/env bats
# How a node logs in to servers that are not its own, what it may do there, and what it says when that
# does not work.

load node.bash
load external.bash
load certs.bash

setup()
{
	hl_begin
}

setup_file() { :; }
teardown_file() { :; }

teardown()
{
	local n

	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		touch "$HL_T/failed"
		hl_show_logs
		tail -n 25 "$HL_T"/nats/*/log
	}
	for n in $(nodes); do
		node_stop "$n" || :
	done
	nats_end_all
	hl_end
}

server()	# server TEXT: x1 runs, with this in its configuration
{
	NATS_MORE=$1
	nats_make x1
	nats_run x1
}

node()	# node NODE KEY=VALUE...
{
	node_make "$1" CLUSTERING_USER=none "${@:2}"
	node_run "$1"
}

works()		# works NODE: it keeps its stream there
{
	wait_until 20 node_ready "$1" || return 1
	insert_one "$1"
	wait_until 20 has_messages "$1"
}

insert_one()
{
	ask "$1" '{"operation":"create_table","database":"dev","table":"t","primary_key":"id"}'
	insert "$1" t '{"id":"x"}'
	ok "$1" '{"operation":"cluster_status"}' '.warnings == []'
}

has_messages()	# has_messages NODE: there is a stream of it
{
	nats_streams | command jq -e "[.[].name] | index(\"HL_$1\")" >/dev/null
}

warned()	# warned NODE TEXT: cluster_status and hubleaf status
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg t "$2" \
	    '[.warnings[] | select(.kind == "server" and (.message | contains($t)))] | length > 0' || return 1
	"$HL_CLI" -c "$HL_T/nodes/$1/hubleaf.yaml" status | grep -F -- "$2"
}

set_server()	# set_server TEXT: that in x1's configuration instead, which it reads while it runs
{
	NATS_MORE=$1 nats_text x1 >"$HL_T/nats/x1/server.conf"
	kill -HUP "$(cat "$HL_T/nats/x1/run.pid")"
}

@test "a token; a user in the URL, with what URLs cannot have as it is; a user and a password" {
	server 'authorization { token: "to\"ken" }'
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_TOKEN='to"ken'
	works n1
	node_stop n1
	nats_end x1
	NATS_MORE='authorization { users: [ { user: "me@home", password: "s:e/c%r\\et" } ] }'
	sed -i '/^authorization/d' "$HL_T/nats/x1/server.conf"
	echo "$NATS_MORE" >>"$HL_T/nats/x1/server.conf"
	nats_run x1
	sed -i '/^NATS_/d' "$HL_T/nodes/n1/env"
	echo "NATS_URLS=$(nats_urls 'me%40home:s%3ae%2Fc%25r\et' x1)" >>"$HL_T/nodes/n1/env"
	node_run n1
	works n1
	ok n1 '{"operation":"get_configuration"}' '.nats.urls[0] | contains("(hidden)") and (contains("s%3ae") | not)'
	node n2 NATS_URLS="$(nats_urls '' x1)" NATS_USER_NAME=me@home 'NATS_USER_PASSWORD=s:e/c%r\et'
	works n2
	ok n2 '{"operation":"get_configuration"}' '.nats.user_password == "(hidden)"'
	refused n2 400 '{"operation":"set_configuration","nats_token":"(hidden)"}' 'that is how it is shown'
	! grep -rq 's:e/c%r' "$HL_T/nodes/n2/log" "$HL_T/nodes/n1/log"
}

@test "the seed of an NKey" {
	server 'authorization { users: [ { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }'
	echo SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY >"$HL_T/seed"
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_SEED_FILE="$HL_T/seed"
	works n1
}

@test "a file with a user's JWT and seed" {
	mkdir "$HL_T/jwt"
	"$HL_SRC/test/functional/jwt.pl" "$HL_T/jwt"
	server "$(cat "$HL_T/jwt/resolver.conf")"
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_CREDS_FILE="$HL_T/none"
	wait_until 20 warned n1 "$HL_T/none"
	cp "$HL_T/jwt/user.creds" "$HL_T/none"
	works n1
}

@test "a JWT that expires: said, and right with another" {
	mkdir "$HL_T/jwt"
	"$HL_SRC/test/functional/jwt.pl" "$HL_T/jwt" $(($(date +%s) + 10))
	server "$(cat "$HL_T/jwt/resolver.conf")"
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_CREDS_FILE="$HL_T/jwt/short.creds"
	wait_until 40 warned n1 "the JWT in nats.creds_file $HL_T/jwt/short.creds expired at 20"
	cp "$HL_T/jwt/user.creds" "$HL_T/jwt/short.creds"
	works n1
}

permitted()	# permitted SED: n1's user, with that done to what it needs
{
	env NATS_USER_NAME=n1 NATS_USER_PASSWORD=n1 "$HL_CLI" nats-permissions -c "$HL_T/nodes/n1/hubleaf.yaml" |
	    sed "$1"
}

data_of()	# data_of TEXT: an account with JetStream and these users
{
	printf 'accounts { DATA { jetstream: enabled, users: [\n%s] } }\n' "$1"
}

@test "a permission that is missing: said with its subject, and right when it is there" {
	local n

	node_make n1 NATS_URLS='["nats://127.0.0.1:1"]' NATS_USER_NAME=n1 NATS_USER_PASSWORD=n1
	server "$(data_of "$(permitted '/hl.txn.n1.>/d')")"
	sed -i "s|127.0.0.1:1\"|127.0.0.1:$(nats_port x1)\"|" "$HL_T/nodes/n1/env"
	node_run n1
	make_table n1 t
	insert n1 t '{"id":1}'
	wait_until 30 warned n1 'Permissions Violation for Publish to "hl.txn.n1.'
	# Of no use would be to make the stream anew.
	set_server "$(data_of "$(permitted '')")"
	wait_until 40 no_warnings n1
	wait_until 20 has_messages n1
	! grep -q 'did not answer for too long' "$HL_T/nodes/n1/log" || return 1
	set_server "$(data_of "$(permitted '/STREAM.CREATE/d')")"
	nats_end x1
	rm -rf "$HL_T/nats/x1/store"
	nats_run x1
	wait_until 30 warned n1 'API.STREAM.CREATE.HL_n1'
	set_server "$(data_of "$(permitted '')")"
	wait_until 40 no_warnings n1
	wait_until 20 has_messages n1
}

@test "a subscription that is not permitted: the same" {
	node_make n1 NATS_URLS='["nats://127.0.0.1:1"]' NATS_USER_NAME=n1 NATS_USER_PASSWORD=n1
	server "$(data_of "$(permitted '/hl.req.n1.\*/d')"$'\n''{ user: "n2", password: "n2" }')"
	sed -i "s|127.0.0.1:1\"|127.0.0.1:$(nats_port x1)\"|" "$HL_T/nodes/n1/env"
	node_run n1
	node n2 NATS_URLS="$(nats_urls n2:n2 x1)"
	wait_until 20 node_ready n2
	wait_until 30 warned n1 'Permissions Violation for Subscription to "hl.req.n1.'
	set_server "$(data_of "$(permitted '')"$'\n''{ user: "n2", password: "n2" }')"
	wait_until 40 no_warnings n1
	# It hears the others' questions now.
	make_table n1 t
	subscribe n1 n2 t
	insert n2 t '{"id":1}'
	wait_until 20 has_row n1 t 1
}

limited()	# limited TEXT: an account whose JetStream has these limits
{
	echo "accounts { DATA { jetstream: { $1 }, users: [ { user: me, password: secret } ] } }"
}

@test "limits of the account: what the stream would set aside, and how many there may be" {
	server "$(limited 'max_file: 100MB, max_streams: 1')"
	node n1 NATS_URLS="$(nats_urls me:secret x1)"
	wait_until 20 warned n1 'the stream sets 4294967296 bytes aside (clustering.leafServer.streams.maxBytes)'
	ok n1 '{"operation":"set_configuration","clustering_leafServer_streams_maxBytes":50000000}'
	wait_until 30 no_warnings n1
	works n1
	node n2 NATS_URLS="$(nats_urls me:secret x1)" CLUSTERING_LEAFSERVER_STREAMS_MAXBYTES=40000000
	wait_until 20 warned n2 'maximum number of streams reached'
	set_server "$(limited 'max_file: 100MB, max_streams: 2')"
	wait_until 40 no_warnings n2
	works n2
}

@test "a clock that is wrong: said of the other, and right when it is" {
	server ''
	clock_make n2 NATS_URLS="$(nats_urls '' x1)" CLUSTERING_MAXCLOCKSKEW=2000
	clock_set n2 600000
	node n1 NATS_URLS="$(nats_urls '' x1)" CLUSTERING_MAXCLOCKSKEW=2000
	node_run n2
	wait_until 20 node_ready n1
	wait_until 20 node_ready n2
	wait_until 20 in_network n1 n2
	make_table n1 t
	subscribe n1 n2 t
	wait_until 20 skewed n1
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status | grep "The clock of node 'n2' is [56][0-9]* ms ahead"
	insert n2 t '{"id":1}'
	has_no_row n1 t 1
	clock_set n2 0
	wait_until 30 no_warnings n1
	insert n1 t '{"id":2}'
	wait_until 20 has_row n2 t 2
}

skewed()	# skewed NODE
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.warnings | any(.kind == "clock_skew" and .node_name == "n2")'
}

@test "TLS by the servers' authority, with a certificate of the node's own" {
	local files

	authority one
	authority two
	certificate one server
	certificate one node clientAuth
	server "tls { cert_file: \"$HL_T/ca.one/server.pem\", key_file: \"$HL_T/ca.one/server.key\",
	    ca_file: \"$HL_T/ca.one/ca.pem\", verify: true }"
	files="NATS_CERT_FILE=$HL_T/ca.one/node.pem NATS_KEY_FILE=$HL_T/ca.one/node.key"
	# shellcheck disable=SC2086 # a list of words
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_CA_FILE="$HL_T/ca.one/ca.pem" $files
	works n1
	# shellcheck disable=SC2086
	node n2 NATS_URLS="$(nats_urls '' x1)" NATS_CA_FILE="$HL_T/ca.two/ca.pem" $files
	wait_until 20 warned n2 'unable to get local issuer certificate'
	# Its files are read each time: the right authority is enough.
	cp "$HL_T/ca.one/ca.pem" "$HL_T/ca.two/ca.pem"
	works n2
}

@test "a certificate of another host is none of the server's" {
	authority one
	certificate one server serverAuth DNS:elsewhere.example
	server "tls { cert_file: \"$HL_T/ca.one/server.pem\", key_file: \"$HL_T/ca.one/server.key\" }"
	node n1 NATS_URLS="$(nats_urls '' x1)" NATS_CA_FILE="$HL_T/ca.one/ca.pem"
	wait_until 20 warned n1 'SSL handshake error'
}

@test "no server at the start, a wrong password, no JetStream: said, and right when it is" {
	nats_make x1
	node n1 NATS_URLS="$(nats_urls 'me:secret' x1)" NATS_CONNECT_RETRIES=1 NATS_RECONNECT_WAIT_SECONDS=0
	wait_until 20 warned n1 'No server available'
	wait_until 20 grep -q 'none of nats.urls can be reached' "$HL_T/nodes/n1/log"
	make_table n1 t
	insert n1 t '{"id":1}'
	cp "$HL_T/nats/x1/server.conf" "$HL_T/plain"
	echo 'authorization { user: me, password: other }' >>"$HL_T/nats/x1/server.conf"
	nats_run x1
	wait_until 20 warned n1 'Authorization Violation'
	nats_end x1
	sed '/^jetstream/d' "$HL_T/plain" >"$HL_T/nats/x1/server.conf"
	nats_spawn x1
	wait_until 20 warned n1 'the stream of this node'
	nats_end x1
	cp "$HL_T/plain" "$HL_T/nats/x1/server.conf"
	nats_run x1
	works n1
}

@test "messages that are too small for a transaction are said; by default transactions are smaller" {
	server 'max_payload: 524288'
	node n1 NATS_URLS="$(nats_urls '' x1)"
	wait_until 20 warned n1 'max_payload is 524288 bytes'
	node n2 NATS_URLS="$(nats_urls '' x1)" CLUSTERING_MAXTRANSACTION=262144
	works n2
}

@test "three copies where there is one server: there is one, and that is said" {
	server ''
	node n1 NATS_URLS="$(nats_urls '' x1)" REPLICATION_LOG_REPLICAS=3
	wait_until 20 has_messages n1
	wait_until 20 warned n1 'on 1 of 3 servers'
	[ "$(nats_streams | jq -c '[.[].config.num_replicas]')" = '[1]' ]
	# It is tried again, and what there is stays.
	make_table n1 t
	insert n1 t '{"id":1}'
	node_stop n1
	sed -i 's/REPLICAS=3/REPLICAS=1/' "$HL_T/nodes/n1/env"
	node_run n1
	wait_until 20 node_ready n1
	wait_until 20 no_warnings n1
}

@test "with just what hubleaf nats-permissions prints" {
	local n users=

	for n in n1 n2; do
		node_make $n NATS_URLS='["nats://127.0.0.1:1"]' NATS_USER_NAME=$n NATS_USER_PASSWORD="$n secret" \
		    NATS_SUBJECT_PREFIX=app.log NATS_STREAM_PREFIX=changes REPLICATION_LOG_SHARDS=3
		# shellcheck disable=SC2046 # no spaces in these
		users+=$(env $(sed -n '/^NATS_[US][RTU]/p' "$HL_T/nodes/$n/env") NATS_USER_NAME=$n \
		    REPLICATION_LOG_SHARDS=3 NATS_USER_PASSWORD="$n secret" "$HL_CLI" nats-permissions -c "$HL_T/nodes/$n/hubleaf.yaml")$'\n'
	done
	[[ $users == *'user: "n1", password: "n1 secret"'* ]]
	[[ $users == *'API.STREAM.CREATE.changes_n2"'* ]]
	[[ $users == *'API.STREAM.CREATE.changes_n2+3of3"'* ]]
	nats_make x1
	printf 'accounts { DATA { jetstream: enabled, users: [\n%s] } }\n' "$users" >>"$HL_T/nats/x1/server.conf"
	nats_run x1
	for n in n1 n2; do
		sed -i "s|127.0.0.1:1\"|127.0.0.1:$(nats_port x1)\"|" "$HL_T/nodes/$n/env"
		node_run $n
		wait_until 20 node_ready $n
	done
	wait_until 20 in_network n1 n2
	make_table n1 t
	subscribe n1 n2 t
	load_rows n1 t "$HL_T/rows" -n 300 -c 4
	insert n2 t '{"id":"back"}'
	same_rows 20 t n1 n2
	# Fetched from the log, and purged from the stream.
	node_stop n2
	load_rows n1 t "$HL_T/more" -k more -n 300 -c 4
	ok n1 '{"operation":"purge_stream","database":"dev","table":"t","force":true}' '.stream_messages != null'
	node_run n2
	same_rows 30 t n1 n2
	! grep -qi 'violation' "$HL_T/nats/x1/log" "$HL_T/nodes/n1/log" "$HL_T/nodes/n2/log"
}

@test "a HarmonyLite configuration becomes one that works, and says what has no counterpart" {
	local dir=$HL_T/nodes/n1 out

	server 'authorization { user: me, password: "pass" }'
	cat >"$HL_T/config.toml" <<-END
	node_id = 7
	seq_map_path = "/tmp/seq-map.cbor"
	[nats]
	urls = [
	  "$(nats_url x1)", # the one
	]
	subject_prefix = "harmonylite-change-log"
	stream_prefix = "harmonylite-changes"
	user_name = 'me'
	user_password = "p\u0061ss"
	ca_file = ""
	reconnect_wait_seconds = 0
	[replication_log]
	replicas = 0
	[logging]
	verbose = true
	END
	node_make n1
	"$HL_CLI" convert-config "$HL_T/config.toml" >"$dir/hubleaf.yaml"
	grep -q '^# seq_map_path: has no counterpart' "$dir/hubleaf.yaml"
	printf '%s\n' "ROOTPATH=$(root n1)" "OPERATIONSAPI_NETWORK_PORT=$(port n1 api)" >>"$dir/env"
	node_run n1
	wait_until 20 node_ready n1
	ok n1 '{"operation":"get_configuration"}' '.clustering.nodeName == "node-7" and .logging.level == "debug"'
	wait_until 20 [ "$(nats_streams | jq -r '.[].name')" = harmonylite-changes_node-7 ]
	echo 'x = 1979-05-27' >"$HL_T/config.toml"
	! "$HL_CLI" convert-config "$HL_T/config.toml" >"$HL_T/out" 2>&1 || return 1
	out=$(cat "$HL_T/out")
	[ "$out" = "hubleaf: $HL_T/config.toml:1: '1979-05-27' is no value: a text is in quotes, and dates are not read" ]
}
