#!/usr/bin/env bats
# The operations of clustering with nodes that are named by hostname or url.

load node.bash
load certs.bash

# n1 has no links; n2 and n3 are at 127.0.1.2 and 127.0.1.3, with authorities of their own.
start_nodes()
{
	local n

	link_port=$(hl_ports)
	export link_port
	node_make n1 CLUSTERING_ENABLED=false
	for n in n2 n3; do
		node_make $n CLUSTERING_ENABLED=false "REPLICATION_HOSTNAME=$(host $n)" \
		    "OPERATIONSAPI_NETWORK_HOST=127.0.0.1,$(host $n),127.0.0.1" \
		    "REPLICATION_SECUREPORT=$(host $n):$link_port" REPLICATION_CERTIFICATELIFETIME=10800
		sed -i "s|^    port: $(port $n api)\$|&\n    securePort: $(secure_port $n)|" "$HL_T/nodes/$n/hubleaf.yaml"
	done
	printf '%-16d' 0 >"$HL_T/clock"
	printf '%s\n' "HL_CLOCK=$HL_T/clock" "LD_PRELOAD=$HL_BUILD/test/functional/clock.so" >>"$HL_T/nodes/n3/env"
	node_run n1
	node_run n2
	given_sockets n3
}

# given_sockets NODE: runs it with its ports for links and HTTPS as systemd would pass them, and one that is nobody's
given_sockets()
{
	local b=$HL_T/passed d

	mkdir -p $b/opsd $b/hubd $b/leafd
	cp "$HL_CLI" $b/opsd/hubleaf
	for d in opsd hubd leafd; do
		printf '#!/bin/sh\nexec %s "$@"\n' "$HL_BUILD/$d/$d" >$b/$d/$d
		chmod +x $b/$d/$d
	done
	sed -i "s|^exec |&$HL_BUILD/test/functional/passed 127.0.0.1 $(secure_port $1) 127.0.0.1 $(port $1 hub) -- |" $b/opsd/opsd
	sed -i "s|^exec |&$HL_BUILD/test/functional/passed $(host $1) $link_port -- |" $b/leafd/leafd
	HL_CLI=$b/opsd/hubleaf node_run $1
}

host()
{
	echo "127.0.1.${1#n}"
}

secure_port()
{
	echo $(($(port "$1" api) + 1))
}

routes()	# routes NODE JSON: all that it has
{
	ok "$1" '{"operation":"cluster_get_routes"}' ". == $2"
}

# serves NODE: links and HTTPS, where its sockets were passed
serves()
{
	curl -s -k -m 5 -o /dev/null "https://127.0.0.1:$(secure_port "$1")/health" &&
	    timeout 5 openssl s_client -connect "$(host "$1"):$link_port" </dev/null 2>/dev/null | grep -q 'BEGIN CERTIFICATE'
}

@test "sockets that were passed are used, also by daemons that begin anew; one that is nobody's is said" {
	wait_until 10 serves n3
	grep -q "opsd.*the socket at 127.0.0.1, port $(port n3 hub), which systemd has passed, is not used" "$HL_T/nodes/n3/log"
	! grep -q 'cannot listen' "$HL_T/nodes/n3/log" || return 1
	ok n3 '{"operation":"restart"}'
	wait_until 20 eval '[ "$(grep -c "leafd.* is ready" "$HL_T/nodes/n3/log")" = 2 ] && node_answers n3'
	wait_until 10 serves n3
	! grep -q 'cannot listen' "$HL_T/nodes/n3/log" || return 1
}

# ---- routes ----

@test "routes of links: added beside what is there, listed alone, deleted" {
	routes n1 '{"hub":[],"leaf":[]}'
	ok n1 '{"operation":"cluster_set_routes","routes":["wss://server-two:9925",{"hostname":"server-three","port":9930}]}' \
	    '. == {"message":"cluster routes successfully set",
	    "set":["wss://server-two:9925",{"hostname":"server-three","port":9930}],"skipped":[]}'
	routes n1 '["wss://server-two:9925",{"hostname":"server-three","port":9930}]'
	ok n1 '{"operation":"cluster_set_routes","routes":["server-four",{"hostname":"SERVER-THREE","port":"9930"}]}' \
	    '.set == ["server-four"] and .skipped == [{"hostname":"SERVER-THREE","port":9930}]'
	ok n1 '{"operation":"cluster_set_routes","routes":[{"url":"wss://server-two:9925","revokedCertificates":["0A"]}]}' \
	    '.skipped == []'
	# What is special about a route stays when it is said again without.
	ok n1 '{"operation":"cluster_set_routes","routes":["wss://server-two:9925"]}' '.set == []'
	routes n1 '[{"url":"wss://server-two:9925","revokedCertificates":["0A"]},
	    {"hostname":"server-three","port":9930},"server-four"]'
	ok n1 '{"operation":"cluster_delete_routes","routes":[{"hostname":"server-three","port":9930},"server-four:1",
	    "server-four:9933",{"host":"server-four","port":9933}]}' \
	    '. == {"message":"cluster routes successfully deleted",
	    "deleted":[{"hostname":"server-three","port":9930},"server-four:9933"],
	    "skipped":["server-four:1",{"host":"server-four","port":9933}]}'
	routes n1 '[{"url":"wss://server-two:9925","revokedCertificates":["0A"]}]'
}

revoked()	# revoked NODE JQ: of the certificates that it refuses
{
	ok "$1" '{"operation":"cluster_status"}' ".revoked_certificates | $2"
}

@test "what is revoked is shown: by calls with who and when, and by routes" {
	local before between

	revoked n1 '. == [{"serial_number":"a","by":"replication.routes","time":null}]'
	before=$(date +%s%3N)
	ok n1 '{"operation":"update_node","revoked_certificates":["0x0B:01"]}'
	between=$(date +%s%3N)
	wait_until 5 eval '[ "$(date +%s%3N)" -gt "'"$between"'" ]'
	ok n1 '{"operation":"update_node","revoked_certificates":["C"]}'
	revoked n1 'map(.serial_number) == ["a","c","b01"] and all(.[1:][]; .by == "admin" and .time >= '"$before"')'
	node_stop n1
	node_run n1
	revoked n1 'map(.serial_number) == ["a","c","b01"]'
}

@test "one call deletes routes of both forms" {
	ok n1 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"h1.example","port":9932}]}'
	routes n1 '[{"url":"wss://server-two:9925","revokedCertificates":["0A"]}]'
	ok n1 '{"operation":"cluster_delete_routes","routes":["wss://server-two:9925",{"host":"h1.example","port":9932}]}' \
	    '(.deleted | length) == 2 and .skipped == []'
	routes n1 '{"hub":[],"leaf":[]}'
}

@test "bad routes of links are refused with field and rule, and none is kept" {
	ok n1 '{"operation":"cluster_set_routes","routes":["server-five"]}'
	refused n1 400 '{"operation":"cluster_set_routes","routes":["server-six","http://a b",7,{"port":1},
	    {"hostname":"wss://x","port":70000,"tls":true},{"hostname":"y","revokedCertificates":["z"]},
	    {"hostname":"z","url":"wss://y"}]}' \
	    "'routes[1]' must be a host name, or a URL such as wss://server-two:9933. 'routes[2]' must be a host name, or a URL such as wss://server-two:9933. 'routes[3].hostname' or 'routes[3].url' is required. 'routes[4].hostname' must be a host name or an address: a URL is given as url, a port as port. 'routes[4].port' must be an integer between 1 and 65535. 'routes[4].tls' is not allowed. 'routes[5].revokedCertificates[0]' must be a serial number in hexadecimal. 'routes[6].hostname' must be the host of its URL, 'y'"
	refused n1 400 '{"operation":"cluster_delete_routes","routes":[7,{"hostname":"x:1"}]}' \
	    "'routes[0]' must be of type object. 'routes[1].hostname' must be a host name or an address"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":["server-six"]}' \
	    "'routes[0]' must be of type object"
	routes n1 '["server-five"]'
	ok n1 '{"operation":"cluster_delete_routes","routes":["server-five"]}'
}

@test "settings of links that cannot be kept are refused, each fault by itself" {
	refused n1 400 '{"operation":"set_configuration","replication_startTime":"2099-01-01T00:00:00Z",
	    "replication_routes":[{"hostname":"a","startTime":"2099-01-01T00:00:00Z"}],
	    "replication":{"mtls":{"certificateVerification":{"crl":{"timeout":10000}}}}}' \
	    '"'"'replication.startTime' must not be in the future. 'replication.routes[0].startTime' must not be in the future. 'replication.mtls.certificateVerification' must be false: list what is revoked in revokedCertificates of a route"'"'
	refused n1 400 '{"operation":"set_configuration","replication_routes":[{"host":"a"}]}' \
	    '"'"'replication.routes[0].hostname' or 'replication.routes[0].url' is required. 'replication.routes[0].host' is not allowed, did you mean 'hostname'?"'"'
	refused n1 400 '{"operation":"cluster_set_routes","routes":[{"hostname":"a","startTime":"2099-01-01T00:00:00Z"}]}' \
	    '"'"'routes[0].startTime' must not be in the future"'"'
	ok n1 '{"operation":"set_configuration","replication_databases":"data","replication_startTime":"2026-01-01"}'
	ok n1 '{"operation":"get_configuration"}' '.replication.databases == "data" and .replication.startTime == "2026-01-01"'
	ok n1 '{"operation":"set_configuration","replication_databases":null,"replication_startTime":null}'
	routes n1 '{"hub":[],"leaf":[]}'
}

# ---- nodes ----

to()		# to NODE [FIELDS]: what names it in a call
{
	echo "\"hostname\":\"$(host "$1")\",\"port\":$link_port,\"operations_port\":$(secure_port "$1")${2:+,$2}"
}

token()		# token NODE: a join token of it
{
	ask "$1" '{"operation":"create_join_token"}' | jq -r .token
}

connected()	# connected NODE OTHER STATUS
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e ".connections[] | select(.node_name == \"$(host "$2")\") | .status == \"$3\""
}

alone()		# alone NODE: it knows of nobody
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.connections == []' &&
	    ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "attribute":"name","value":"*","get_attributes":["*"]}' | jq -e '. == []'
}

listed()	# listed NODE OTHER JQ: its row of hdb_nodes
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "search_attribute":"name","search_value":"*"}' |
	    jq -e ".[] | select(.name == \"$(host "$2")\") | $3"
}

has_table()	# has_table NODE TABLE
{
	ask "$1" "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"$2\"}" | jq -e .name
}

has_certificate()	# has_certificate NODE NAME
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_certificate",
	    "search_attribute":"name","search_value":"*"}' | jq -e "any(.[]; .name == \"$2\")"
}

@test "a node without links, bad fields, and a node that does not know this one: nothing is left" {
	local host operation

	refused n1 400 "{\"operation\":\"add_node\",$(to n2)}" "Links are not configured on this node"
	refused n3 400 '{"operation":"add_node","hostname":"a b","authorization":7,"verify_tls":"x","shard":-1,
	    "revoked_certificates":["z"],"start_time":"soon","subscriptions":[],"operations_port":0}' \
	    "'hostname' must be a host name or an address. 'authorization' must be an object with username and password, a join token, or the value of an Authorization header. 'operations_port' must be an integer between 1 and 65535. 'verify_tls' must be a boolean. 'revoked_certificates[0]' must be a serial number, in hexadecimal digits. 'shard' must be an integer between 0 and 4294967295. 'start_time' must be a date and time of ISO-8601, such as 2026-01-31T12:00:00Z. 'subscriptions' must contain at least 1 items"
	# Nobody is looked for by such a name.
	for host in a.b..c -x x-.y .a a. "$(printf 'a%.0s' {1..64})"; do
		for operation in add_node set_node update_node remove_node; do
			refused n3 400 "{\"operation\":\"$operation\",\"hostname\":\"$host\"}" \
			    "'hostname' must be a host name or an address"
		done
		refused n3 400 "{\"operation\":\"cluster_set_routes\",\"routes\":[\"wss://$host:9933\",{\"hostname\":\"$host\"}]}" \
		    "'routes[0]' must be a host name, or a URL such as wss://server-two:9933. 'routes[1].hostname' must be a host name or an address"
	done
	refused n3 400 '{"operation":"add_node","hostname":"a","url":"wss://b","port":7,"authorization":"hlj1.ab"}' \
	    "'hostname' must be the host of its URL, 'b'. 'port' goes with a host name: a URL has its own. 'authorization' is no whole join token"
	refused n3 400 '{"operation":"add_node","verify_tls":false}' \
	    '"'"'hostname' or 'url' is required, or 'node_name' of a node in the mesh"'"'
	refused n3 400 '{"operation":"remove_node","hostname":"a","node_name":"b"}' \
	    "'node_name' cannot be given together with 'hostname' or 'url'"
	refused n3 400 '{"operation":"configure_cluster","connections":[{"hostname":"a","node_name":"b"}]}' \
	    "'connections[0].node_name' cannot be given together with 'connections[0].hostname' or 'connections[0].url'"
	refused n3 400 '{"operation":"remove_node","hostname":"a","name":"b"}' \
	    "'name' cannot be given together with 'hostname' or 'url'"
	refused n3 400 '{"operation":"configure_cluster","connections":[{"hostname":"a"},{"hostname":"A"}]}' \
	    "'connections[1]' contains a duplicate value"
	refused n3 400 '{"operation":"sign_certificate","csr":"x","certificate":"y"}' \
	    "'csr' cannot be given together with 'certificate'. 'hostname' is required. 'node_id' is required"
	refused n3 400 '{"operation":"sign_certificate","certificate":"y","hostname":"a","node_id":"b"}' \
	    "'certificate' goes with a 'node_id' of 32 hexadecimal digits"
	refused n3 400 '{"operation":"add_node","hostname":"127.0.1.3"}' "cannot be this node's own"
	refused n3 504 "{\"operation\":\"add_node\",$(to n2)}" "No link with '127.0.1.2' at wss://127.0.1.2:$link_port/replication comes up"
	refused n3 403 "{\"operation\":\"add_node\",$(to n2 '"verify_tls":false,"authorization":{"username":"admin","password":"no"}')}" \
	    "No certificate comes from '127.0.1.2'"
	refused n3 400 '{"operation":"add_node","hostname":"127.0.1.2","retain_authorization":true}' \
	    "'retain_authorization' needs 'authorization'"
	refused n3 400 "{\"operation\":\"add_node\",$(to n2 "\"retain_authorization\":true,\"authorization\":\"$(token n2)\"")}" \
	    "'retain_authorization' does not go with a join token, which is good once"
	refused n3 404 '{"operation":"remove_node","hostname":"127.0.1.2"}' "Node '127.0.1.2' is not in the cluster"
	alone n2
	alone n3
}

# elsewhere NODE: what names it in a call that has a certificate signed there, and then no link
elsewhere()
{
	to "$1" "\"authorization\":\"$(token "$1")\"" | sed "s/$link_port/$(port n1 leafnodes)/"
}

certificates()	# certificates NODE: its own, and the authorities that it trusts
{
	ask "$1" '{"operation":"list_certificates"}' | jq -S 'map(.certificate) | sort'
}

@test "a certificate, but no link: no authority is trusted that was not; what was signed can be revoked by name" {
	local before

	before=$(certificates n3)
	refused n3 504 "{\"operation\":\"add_node\",$(elsewhere n2)}" "No link with '127.0.1.2'"
	[ "$(certificates n3)" = "$before" ]
	ok n2 '{"operation":"remove_node","hostname":"127.0.1.3"}'
	refused n2 404 '{"operation":"remove_node","hostname":"127.0.1.3"}' "is not in the cluster"
	alone n2
	alone n3
}

@test "add_node with a token: all flows both ways, and the other knows the node" {
	make_table n2 t
	insert n2 t '{"id":"early"}'
	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"shard\":7,\"authorization\":\"$(token n2)\"")}" \
	    '. == {"message":"Successfully added '"'127.0.1.2'"' to cluster"}'
	wait_until 10 connected n3 n2 open
	wait_until 10 connected n2 n3 open
	wait_until 20 has_row n3 t '"early"'
	insert n3 t '{"id":"back"}'
	wait_until 20 has_row n2 t '"back"'
	listed n3 n2 ".subscriptions == null and .replicates and .hostname == \"127.0.1.2\" and .url == \"wss://127.0.1.2:$link_port\""
	# It dialled: the other knows by its own word where it is.
	wait_until 10 listed n2 n3 ".subscriptions == null and .replicates and .url == \"wss://127.0.1.3:$link_port\""
	ok n2 '{"operation":"cluster_status"}' ".connections[0].url == \"wss://127.0.1.3:$link_port\""
	wait_until 10 has_certificate n3 keys/replication.pem
	wait_until 10 has_certificate n2 keys/ca.crt
}

shard()		# shard VALUE: that n3 shows of n2
{
	listed n3 n2 ".shard == $1" || return 1
	ok n3 '{"operation":"cluster_status"}' ".connections[0].shard == $1"
}

@test "the number of a shard is kept and shown where a call gave it, until another gives none" {
	shard 7
	listed n2 n3 '.shard == null'
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2"}'
	shard 7
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2","shard":4294967295}'
	shard 4294967295
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2","shard":null}'
	shard null
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2","shard":0}'
	shard 0
}

@test "a restart dials again" {
	node_stop n3
	node_run n3
	wait_until 20 connected n3 n2 open
	shard 0
}

@test "update_node with subscriptions: these alone flow" {
	make_table n3 u
	wait_until 20 has_table n2 u
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2","subscriptions":[
	    {"database":"dev","table":"u","subscribe":true,"publish":false}]}' \
	    '.message == "Successfully updated '"'127.0.1.2'"'"'
	listed n3 n2 '.subscriptions == [{"schema":"dev","database":"dev","table":"u","publish":false,"subscribe":true}] and
	    (.replicates | not)'
	listed n2 n3 '.subscriptions[0].publish'
	insert n3 t '{"id":"mine"}'
	insert n2 u '{"id":"theirs"}'
	wait_until 20 has_row n3 u '"theirs"'
	! has_row n2 t '"mine"' || return 1
}

@test "remove_node ends it on both sides; the certificate is good for nothing any more" {
	ok n2 '{"operation":"remove_node","hostname":"127.0.1.3"}' \
	    '.message == "Successfully removed '"'127.0.1.3'"' from cluster"'
	wait_until 20 alone n3
	alone n2
	refused n2 404 '{"operation":"remove_node","hostname":"127.0.1.3"}' "is not in the cluster"
	refused n3 504 "{\"operation\":\"add_node\",$(to n2)}" 'comes up'
}

has_retained()	# has_retained NODE: credentials of somebody
{
	[ -s "$(root "$1")/keys/retained" ]
}

shows_retained()	# shows_retained NODE BOOL: of the other, and nothing of them
{
	ok "$1" '{"operation":"cluster_status"}' ".connections[0].retain_authorization == $2"
	[[ $body != *"$HL_PASSWORD"* ]]
}

@test "set_node with credentials, and only what is named" {
	ok n3 "{\"operation\":\"set_node\",$(to n2 "\"verify_tls\":false,\"retain_authorization\":true,\"authorization\":{
	    \"username\":\"admin\",\"password\":\"$HL_PASSWORD\"},\"subscriptions\":[
	    {\"database\":\"dev\",\"table\":\"t\",\"subscribe\":true,\"publish\":true}]")}" \
	    '.message == "Successfully added '"'127.0.1.2'"' to cluster"'
	wait_until 20 connected n2 n3 open
	shard null
	listed n2 n3 '(.subscriptions | length) == 1'
	insert n3 t '{"id":"again"}'
	wait_until 20 has_row n2 t '"again"'
	has_retained n3
	shows_retained n3 true
	shows_retained n2 false
	! grep -rqE "$HL_PASSWORD|$(printf %s "admin:$HL_PASSWORD" | base64)" "$(root n3)/log" "$(root n3)/keys" || return 1
	ok n3 '{"operation":"remove_node","name":"127.0.1.2"}'
	! has_retained n3 || return 1
	wait_until 20 alone n2
	alone n3
}

bearer()	# bearer NODE KIND: an Authorization header with its operation or refresh token
{
	echo "Bearer $(ask "$1" "{\"operation\":\"create_authentication_tokens\",\"username\":\"$HL_USER\",
	    \"password\":\"$HL_PASSWORD\"}" | jq -r ".$2_token")"
}

@test "add_node with a header of Bearer, and with one of Basic; others are refused" {
	local basic header

	basic="Basic $(printf %s "$HL_USER:$HL_PASSWORD" | base64)"
	refused n3 403 "{\"operation\":\"add_node\",$(to n2 "\"verify_tls\":false,\"authorization\":\"$(bearer n2 refresh)\"")}" \
	    "'127.0.1.2' refuses to sign a certificate for this node, with 401: invalid token"
	# A token of another node.
	refused n3 403 "{\"operation\":\"add_node\",$(to n2 "\"verify_tls\":false,\"authorization\":\"$(bearer n3 operation)\"")}" \
	    "with 401: invalid token"
	refused n3 400 "{\"operation\":\"add_node\",$(to n2 '"authorization":"Digest x"')}" \
	    "'authorization' must be a join token (hlj1.PIN.SECRET), or the value of an Authorization header, of Basic or Bearer"
	alone n2
	alone n3
	for header in "$(bearer n2 operation)" "$basic"; do
		ok n3 "{\"operation\":\"set_node\",\"url\":\"wss://127.0.1.2:$link_port\",\"operations_port\":$(secure_port n2),
		    \"verify_tls\":false,\"authorization\":\"$header\"}" \
		    '. == {"message":"Successfully added '"'127.0.1.2'"' to cluster"}'
		wait_until 20 connected n2 n3 open
		! grep -rqF "${header#* }" "$(root n3)/log" "$(root n3)/keys" "$(root n2)/log" || return 1
		ok n3 '{"operation":"remove_node","hostname":"127.0.1.2"}'
		wait_until 20 alone n2
		alone n3
	done
}

@test "add_node with start_time: of what was there before, only what was written since comes, both ways" {
	local since

	ok n2 '{"operation":"create_table","database":"since","table":"s","primary_key":"id"}'
	ok n3 '{"operation":"create_table","database":"since","table":"mine","primary_key":"id"}'
	ok n2 '{"operation":"insert","database":"since","table":"s","records":[{"id":"before"}]}'
	ok n3 '{"operation":"insert","database":"since","table":"mine","records":[{"id":"before"}]}'
	# Later than both, whatever parts of a millisecond they have.
	since=$(date -u -d "@$(($(date +%s) + 1))" +%Y-%m-%dT%H:%M:%S.000Z)
	wait_until 10 eval '[ "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" \> "$since" ]'
	ok n2 '{"operation":"insert","database":"since","table":"s","records":[{"id":"after"}]}'
	ok n3 '{"operation":"insert","database":"since","table":"mine","records":[{"id":"after"}]}'
	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"start_time\":\"$since\",\"authorization\":\"$(token n2)\"")}"
	wait_until 20 has_only n3 s '["after"]'
	wait_until 20 has_only n2 mine '["after"]'
	ok n2 '{"operation":"insert","database":"since","table":"s","records":[{"id":"later"}]}'
	wait_until 20 has_only n3 s '["after","later"]'
	ok n3 '{"operation":"remove_node","hostname":"127.0.1.2"}'
	wait_until 20 alone n2
	alone n3
}

has_only()	# has_only NODE TABLE IDS
{
	ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"since\",\"table\":\"$2\",\"attribute\":\"id\",
	    \"value\":\"*\",\"get_attributes\":[\"id\"]}" | jq -e "map(.id) | sort == $3"
}

@test "configure_cluster by hostname: all or nothing" {
	local two nine before

	before=$(certificates n3)
	two="{$(to n2 "\"authorization\":\"$(token n2)\"")}"
	# n2's as well, which has another name.
	nine="{$(to n2 "\"authorization\":\"$(token n2)\"" | sed "s/$(host n2)/127.0.0.1/")}"
	refused n3 409 "{\"operation\":\"configure_cluster\",\"connections\":[$two,$nine]}" \
	    "This node is '$(host n2)' (replication.hostname), not '127.0.0.1'"
	alone n3
	[ "$(certificates n3)" = "$before" ]
	two="{$(to n2 "\"authorization\":\"$(token n2)\"")}"
	refused n3 504 "{\"operation\":\"configure_cluster\",\"connections\":[$two,{\"hostname\":\"127.0.1.9\"}]}" \
	    "Cluster not configured: No link with '127.0.1.9'"
	alone n3
	refused n3 400 "{\"operation\":\"configure_cluster\",\"connections\":[$two,$two,{\"url\":\"wss://a b\"}]}" \
	    "'connections[1]' contains a duplicate value. 'connections[2].url' must be a host name"
	two="{$(to n2 "\"authorization\":\"$(token n2)\"")}"
	ok n3 "{\"operation\":\"configure_cluster\",\"connections\":[$two]}" \
	    '.message == "Cluster successfully configured."'
	wait_until 20 connected n2 n3 open
	listed n3 n2 '.replicates'
	ok n3 '{"operation":"configure_cluster","connections":[]}'
	wait_until 20 alone n2
	alone n3
}

certificate_of()	# certificate_of NODE OPTION: what it shows on links
{
	openssl x509 -in "$(root "$1")/keys/replication.pem" -noout "$2"
}

@test "add_node of one that is linked makes no new certificate; without connections it ends on both sides" {
	local serial other

	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"authorization\":\"$(token n2)\"")}"
	wait_until 20 connected n2 n3 open
	serial=$(certificate_of n3 -serial)
	other=$(certificate_of n2 -serial)
	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"verify_tls\":false,\"authorization\":{
	    \"username\":\"admin\",\"password\":\"$HL_PASSWORD\"}")}"
	ok n2 "{\"operation\":\"add_node\",$(to n3 "\"authorization\":\"$(token n3)\"")}"
	[ "$(certificate_of n3 -serial) $(certificate_of n2 -serial)" = "$serial $other" ]
	connected n3 n2 open
	insert n3 t '{"id":"twice"}'
	wait_until 20 has_row n2 t '"twice"'
	ok n3 '{"operation":"configure_cluster","connections":[]}'
	wait_until 20 alone n2
	alone n3
	refused n3 504 "{\"operation\":\"add_node\",$(to n2)}" "'127.0.1.3' is no member of this cluster"
}

# Tables of one name that cannot be one.
@test "what fails when the link is there already is taken back on both sides" {
	local before there

	ok n3 '{"operation":"create_table","database":"dev","table":"k","primary_key":"a"}'
	ok n2 '{"operation":"create_table","database":"dev","table":"k","primary_key":"b"}'
	before=$(certificates n3)
	there=$(certificates n2)
	refused n3 400 "{\"operation\":\"add_node\",$(to n2 "\"retain_authorization\":true,\"verify_tls\":false,
	    \"authorization\":{\"username\":\"admin\",\"password\":\"$HL_PASSWORD\"},
	    \"subscriptions\":[{\"database\":\"dev\",\"table\":\"k\",\"publish\":true,\"subscribe\":true}]")}" \
	    "Primary keys of 'dev.k' differ"
	wait_until 20 alone n2
	alone n3
	[ "$(certificates n3)" = "$before" ]
	[ "$(certificates n2)" = "$there" ]
	! has_retained n3 || return 1
	grep -q "takes back that it has joined" "$HL_T/nodes/n2/log"
	refused n2 404 '{"operation":"remove_node","hostname":"127.0.1.3"}' "is not in the cluster"
	refused n3 504 "{\"operation\":\"add_node\",$(to n2)}" 'comes up'
	ok n3 '{"operation":"drop_table","database":"dev","table":"k"}'
	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"authorization\":\"$(token n2)\"")}"
	wait_until 20 connected n2 n3 open
	ok n3 '{"operation":"remove_node","hostname":"127.0.1.2"}'
	wait_until 20 alone n2
	alone n3
}

@test "a node with a certificate of its own joins with that: authorities are exchanged, and nothing is signed" {
	local pem c=$HL_T/ca.own kept

	authority own
	certificate own n3 serverAuth,clientAuth "IP:$(host n3)"
	kept=$(certificate_of n3 -serial)
	pem=$(jq -Rs . "$c/ca.pem")
	ok n3 '{"operation":"add_certificate","name":"corporate","is_authority":true,"uses":["replication"],"certificate":'"$pem"'}'
	ok n3 '{"operation":"add_certificate","name":"links","is_authority":false,"uses":["replication"],"certificate":'"$(jq -Rs . "$c/n3.pem")"',"private_key":'"$(jq -Rs . "$c/n3.key")"'}'
	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"authorization\":\"$(token n2)\"")}"
	wait_until 20 connected n2 n3 open
	[ "$(certificate_of n3 -serial)" = "$kept" ]
	ok n2 '{"operation":"list_certificates"}' "any(.[]; .certificate == $pem)"
	! grep -q "a certificate is signed for 127.0.1.3.*serial number $(openssl x509 -in "$c/n3.pem" -noout -serial | cut -d = -f 2)" "$HL_T/nodes/n2/log" || return 1
	insert n3 t '{"id":"own"}'
	wait_until 20 has_row n2 t '"own"'
	ok n3 '{"operation":"remove_node","hostname":"127.0.1.2"}'
	wait_until 20 alone n2
	alone n3
	ok n3 '{"operation":"remove_certificate","name":"links"}'
	ok n3 '{"operation":"remove_certificate","name":"corporate"}'
}

renewed()	# renewed NODE SERIAL: which it had
{
	[ "$(certificate_of "$1" -serial)" != "$2" ]
}

@test "a certificate that another node has signed is renewed over the link, which stays; with the same key" {
	local serial key ended

	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"authorization\":\"$(token n2)\"")}"
	wait_until 20 connected n2 n3 open
	serial=$(certificate_of n3 -serial)
	key=$(certificate_of n3 -pubkey)
	ended=$(grep -c "has ended" "$HL_T/nodes/n2/log" || :)
	# Two thirds of the time for which it is good, with that by which it begins early.
	printf '%-16d' 5000000 1<>"$HL_T/clock"
	wait_until 20 renewed n3 "$serial"
	printf '%-16d' 0 1<>"$HL_T/clock"
	[ "$(certificate_of n3 -pubkey)" = "$key" ]
	openssl verify -CAfile "$(root n2)/keys/ca.crt" "$(root n3)/keys/replication.pem"
	connected n3 n2 open
	[ "$(grep -c "has ended" "$HL_T/nodes/n2/log" || :)" = "$ended" ]
	node_stop n2
	node_run n2
	wait_until 20 connected n3 n2 open
	ok n2 '{"operation":"cluster_status"}' '[.warnings[] | select(.kind | test("link|certif"))] == []'
}

@test "without a link it is renewed by HTTPS, with credentials that were retained; with the same key" {
	local serial key env=$HL_T/nodes/n2/env

	ok n3 "{\"operation\":\"add_node\",$(to n2 "\"verify_tls\":false,\"retain_authorization\":true,\"authorization\":{
	    \"username\":\"admin\",\"password\":\"$HL_PASSWORD\"}")}"
	serial=$(certificate_of n3 -serial)
	key=$(certificate_of n3 -pubkey)
	node_stop n2
	cp "$env" "$HL_T/env"
	echo REPLICATION_ENABLED=false >>"$env"
	node_run n2
	wait_until 20 connected n3 n2 closed
	printf '%-16d' 5000000 1<>"$HL_T/clock"
	wait_until 20 renewed n3 "$serial"
	printf '%-16d' 0 1<>"$HL_T/clock"
	[ "$(certificate_of n3 -pubkey)" = "$key" ]
	openssl verify -CAfile "$(root n2)/keys/ca.crt" "$(root n3)/keys/replication.pem"
	node_stop n2
	cp "$HL_T/env" "$env"
	node_run n2
	wait_until 20 connected n3 n2 open
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2"}'
	shows_retained n3 true
	ok n3 '{"operation":"update_node","hostname":"127.0.1.2","retain_authorization":false}'
	! has_retained n3 || return 1
	shows_retained n3 false
}
