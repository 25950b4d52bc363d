#!/usr/bin/env bats
# Two nodes that know each other by address and certificate alone: links, and no nats-server.

load node.bash
load certs.bash

start_nodes()
{
	authority ours
	authority other
	make_linked n1 127.0.1.1
	make_linked n2 127.0.1.2
	link_to n1 n2
	link_to n2 n1
	node_run n1
	node_run n2
}

make_linked()	# make_linked NODE ADDRESS
{
	node_make "$1" CLUSTERING_ENABLED=false
	echo "$2" >"$HL_T/nodes/$1/address"
	certificate ours "$1" serverAuth,clientAuth "IP:$2"
	cp "$HL_T/ca.ours/$1.pem" "$HL_T/ca.ours/$1.key" "$HL_T/nodes/$1/"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  hostname: $2
	  securePort: $2:$(port "$1" leafnodes)
	  enableRootCAs: false
	  tls:
	    certificate: $HL_T/nodes/$1/$1.pem
	    privateKey: $HL_T/nodes/$1/$1.key
	    certificateAuthority: $HL_T/ca.ours/ca.pem
	END
}

address()
{
	cat "$HL_T/nodes/$1/address"
}

link_to()	# link_to A B: a route in A's file
{
	printf '  routes:\n  - wss://%s:%s\n' "$(address "$2")" "$(port "$2" leafnodes)" \
	    >>"$HL_T/nodes/$1/hubleaf.yaml"
}

status()
{
	ask "$1" '{"operation":"cluster_status"}'
}

linked()	# linked A B: A shows a link with B over which databases replicate
{
	status "$1" | jq -e --arg name "$(address "$2")" '.connections[] | select(.name == $name) |
	    .status == "open" and (.database_sockets | length > 0 and all(.connected and .state == "live"))'
}

refused_to()	# refused_to A B WHY: A shows that one of the two does not want the other
{
	status "$1" | jq -e --arg name "$(address "$2")" --arg why "$3" '.connections[] | select(.name == $name) |
	    .status == "refused" and .connected == false and (.error | contains($why))'
}

warned()	# warned NODE KIND TEXT
{
	status "$1" | jq -e --arg kind "$2" --arg text "$3" \
	    'any(.warnings[]; .kind == $kind and (.message | contains($text)))'
}

has()		# has NODE DATABASE TABLE ID
{
	ask "$1" "{\"operation\":\"search_by_id\",\"database\":\"$2\",\"table\":\"$3\",\"ids\":[$4],
	    \"get_attributes\":[\"id\"]}" | jq -e 'type == "array" and length == 1'
}

put()		# put NODE DATABASE TABLE ID
{
	ok "$1" "{\"operation\":\"upsert\",\"database\":\"$2\",\"table\":\"$3\",\"records\":[{\"id\":$4}]}"
}

# What both have to have of it, however they came by it.
same()		# same DATABASE TABLE
{
	[ "$(rows n1 "$1" "$2")" = "$(rows n2 "$1" "$2")" ]
}

@test "two nodes with routes to each other replicate everything, and run no nats-server" {
	make_table n1 dog
	put n1 dev dog 1
	wait_until 20 has n2 dev dog 1
	put n2 dev dog 2
	wait_until 10 has n1 dev dog 2
	wait_until 10 linked n1 n2
	wait_until 10 linked n2 n1
	! pgrep -f "nats-server.*$HL_T/" || false
}

status_of_links()	# of n1; leafd tells times once a second
{
	local date='^[A-Z][a-z][a-z], [0-3][0-9] [A-Z][a-z][a-z] 20[0-9][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT$'

	status n1 | jq -e --arg date "$date" '.type == "cluster-status" and .is_enabled and
	    .node_name == "127.0.1.1" and (.connections | length == 1) and (.connections[0] |
	    .name == "127.0.1.2" and .replicateByDefault and .replicates and .subscriptions == null and
	    (.url | startswith("wss://127.0.1.2:")) and (.database_sockets[] | select(.database == "dev") |
	    .connected and .thread_id == 1 and .nodes == ["127.0.1.2"] and
	    (.lastReceivedRemoteTime | test($date)) and (.lastReceivedLocalTime | test($date)) and
	    (.lastSendTime | test($date)) and (.lastCommitConfirmed | test($date))))'
}

@test "cluster_status is in the form of links: a socket for each database, dates of RFC 1123" {
	wait_until 10 linked n1 n2
	put n1 dev dog 3
	put n2 dev dog 4
	wait_until 10 has n2 dev dog 3
	wait_until 10 has n1 dev dog 4
	status n1
	wait_until 5 status_of_links
}

databases()	# databases NODE: of the sockets that it shows, as they come
{
	status "$1" | jq -r '[.connections[0].database_sockets[].database] | join(" ")'
}

@test "the sockets of a connection come sorted by database, whatever was there first" {
	local database

	for database in zoo ant mid; do
		ok n1 "{\"operation\":\"create_database\",\"database\":\"$database\"}"
		ok n1 "{\"operation\":\"create_table\",\"database\":\"$database\",\"table\":\"t\",\"primary_key\":\"id\"}"
	done
	wait_until 20 eval '[[ $(databases n1) = *zoo* && $(databases n1) = *ant* && $(databases n1) = *mid* ]]'
	[ "$(databases n1)" = "ant dev mid zoo" ]
	wait_until 20 eval '[ "$(databases n2)" = "ant dev mid zoo" ]'
	for database in zoo ant mid; do
		ok n1 "{\"operation\":\"drop_database\",\"database\":\"$database\"}"
		ok n2 "{\"operation\":\"drop_database\",\"database\":\"$database\"}"
	done
}

sends()		# sends NODE: something that the other has not confirmed
{
	status "$1" | jq -e --arg now "$(date +%s)" '.connections[0].database_sockets[] | select(.database == "dev") |
	    .sendingMessage | strptime("%a, %d %b %Y %H:%M:%S GMT") | mktime |
	    . > ($now | tonumber) - 60 and . <= ($now | tonumber) + 1'
}

waits()		# waits NODE: for the next transaction
{
	status "$1" | jq -e '[.connections[0].database_sockets[] | select(.database == "dev") |
	    has("sendingMessage")] == [false]'
}

@test "cluster_status has sendingMessage while the other has not confirmed it, and only then" {
	wait_until 10 waits n1
	node_kill n2 opsd STOP
	put n1 dev dog 5
	wait_until 10 sends n1
	node_kill n2 opsd CONT
	wait_until 20 has n2 dev dog 5
	wait_until 10 waits n1
	# What a node says of itself comes along.
	status n1 | jq -e --argjson api "$(port n2 api)" '.connections[0] | .ports == {"clustering":null,"operations_api":$api} and
	    .status == "open" and .system_info.platform == "Linux" and (.uptime | type == "string") and (.latency_ms | type == "number")'
}

@test "tables and databases that come later replicate, too" {
	make_table n2 cat
	put n2 dev cat 1
	wait_until 10 has n1 dev cat 1
	make_table n1 bird far
	put n1 far bird 1
	wait_until 10 has n2 far bird 1
	put n2 far bird 2
	wait_until 10 has n1 far bird 2
}

lacks_table()	# lacks_table NODE DATABASE TABLE
{
	ask "$1" "{\"operation\":\"describe_table\",\"database\":\"$2\",\"table\":\"$3\"}" |
	    jq -e ".error == \"Table '$2.$3' does not exist\""
}

replicate()	# replicate NODE VALUE: of its table hush
{
	ok "$1" "{\"operation\":\"alter_table\",\"database\":\"dev\",\"table\":\"hush\",\"replicate\":$2}" \
	    ".message == \"table 'dev.hush' successfully altered.\""
}

# What is written before it has had its time to come: whatever the order of tables, the peer has all of the log.
passes()	# passes FROM TO ID
{
	put "$1" dev dog "$3"
	wait_until 10 has "$2" dev dog "$3"
}

@test "a table that does not replicate stays here; when it may again, it comes whole" {
	ok n1 '{"operation":"create_table","database":"dev","table":"hush","primary_key":"id","replicate":false}'
	ok n1 '{"operation":"describe_table","database":"dev","table":"hush"}' '.replicate == false'
	put n1 dev hush 1
	passes n1 n2 60
	lacks_table n2 dev hush
	refused n1 400 '{"operation":"update_node","node_name":"127.0.1.2","subscriptions":[{"database":"dev","table":"hush",
	    "publish":true,"subscribe":false}]}' "Table 'dev.hush' does not replicate: its 'replicate' is false"
	replicate n1 null
	wait_until 10 has n2 dev hush 1
	# It counts at the other end as well, which is told: nothing is behind.
	replicate n2 false
	put n2 dev hush 2
	passes n2 n1 61
	put n1 dev hush 3
	passes n1 n2 62
	! has n1 dev hush 2 || false
	! has n2 dev hush 3 || false
	wait_until 10 linked n1 n2
	replicate n2 true
	wait_until 10 has n1 dev hush 2
	wait_until 10 has n2 dev hush 3
}

@test "a restart of either node: what was written meanwhile comes" {
	local n other=n1

	for n in n2 n1; do
		node_stop $n
		put $other dev dog "\"while $n\""
		make_table $other only_$other late
		put $other late only_$other 1
		node_run $n
		wait_until 20 has $n late only_$other 1
		other=n2
	done
	wait_until 10 same dev dog
	wait_until 10 linked n1 n2
}

@test "a leafd that is killed takes the link with it, and brings it back" {
	wait_until 20 linked n1 n2
	node_kill n1 leafd
	put n1 dev dog 21
	put n2 dev dog 22
	wait_until 20 has n2 dev dog 21
	wait_until 20 has n1 dev dog 22
	wait_until 10 linked n1 n2
	node_kill n2 opsd
	put n1 dev dog 23
	wait_until 30 has n2 dev dog 23
	wait_until 10 same dev dog
}

@test "a certificate of another authority, an expired one, one for another host: refused, and said" {
	local c=$HL_T/nodes/n2/n2.pem

	node_stop n2
	certificate other n2 serverAuth,clientAuth IP:127.0.1.2
	cp "$HL_T/ca.other/n2.pem" "$HL_T/ca.other/n2.key" "$HL_T/nodes/n2/"
	node_run n2
	wait_until 20 warned n1 link_failing 127.0.1.2
	wait_until 10 warned n2 link_failing 127.0.1.1
	node_stop n2
	cp "$HL_T/ca.ours/n2.key" "$HL_T/nodes/n2/"
	expired ours n2 "$c"
	node_run n2
	wait_until 20 warned n2 link_failing expired
	node_stop n2
	certificate ours wrong serverAuth,clientAuth IP:127.0.1.3
	cp "$HL_T/ca.ours/wrong.pem" "$c"
	cp "$HL_T/ca.ours/wrong.key" "$HL_T/nodes/n2/n2.key"
	node_run n2
	wait_until 20 warned n1 link_failing 127.0.1.2
	! linked n1 n2 || false
}

@test "another key of the same name is refused until it is allowed" {
	node_stop n2
	cp "$HL_T/ca.ours/n2.key" "$HL_T/nodes/n2/n2.key"
	cp "$HL_T/ca.ours/n2.pem" "$HL_T/nodes/n2/n2.pem"
	certificate ours again serverAuth,clientAuth IP:127.0.1.2
	cp "$HL_T/ca.ours/again.pem" "$HL_T/nodes/n2/n2.pem"
	cp "$HL_T/ca.ours/again.key" "$HL_T/nodes/n2/n2.key"
	node_run n2
	wait_until 20 warned n1 link_refused "shows another key than before"
	wait_until 10 warned n2 link_failing "shows another key than before"
	wait_until 10 refused_to n1 n2 "shows another key than before"
	wait_until 10 refused_to n2 n1 "shows another key than before"
	grep -q "a link is refused to .*shows another key" "$(root n1)/log/opsd.log"
	node_stop n2
	cp "$HL_T/ca.ours/n2.key" "$HL_T/nodes/n2/n2.key"
	cp "$HL_T/ca.ours/n2.pem" "$HL_T/nodes/n2/n2.pem"
	node_run n2
	wait_until 20 linked n1 n2
	! warned n1 link_refused "" || false
}

@test "a certificate that is revoked ends its link, and gets none" {
	local serial

	serial=$(openssl x509 -in "$HL_T/nodes/n2/n2.pem" -noout -serial)
	wait_until 20 linked n1 n2
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[{\"hostname\":\"127.0.1.2\",
	    \"port\":$(port n2 leafnodes),\"revokedCertificates\":[\"${serial#*=}\"]}]}"
	wait_until 10 warned n2 link_failing revoked
	! linked n1 n2 || false
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[{\"hostname\":\"127.0.1.2\",
	    \"port\":$(port n2 leafnodes)}]}"
	wait_until 40 linked n1 n2
	put n1 dev dog 31
	wait_until 10 has n2 dev dog 31
}

@test "who is in no route and no subscription is refused, with the words how to mend it" {
	make_linked n3 127.0.1.3
	link_to n3 n1
	printf '  - wss://127.0.1.9:%s\n' "$(port n3 hub)" >>"$HL_T/nodes/n3/hubleaf.yaml"	# nobody is there
	node_run n3
	wait_until 20 warned n1 link_refused "'127.0.1.3' is no member of this cluster: add_node it on the node that refuses it"
	wait_until 10 warned n3 link_failing "is no member of this cluster"
	# It was never linked with whom it dials, and shows it.
	wait_until 10 refused_to n3 n1 "is no member of this cluster"
	wait_until 10 eval 'status n3 | jq -e ".connections[] | select(.name == \"127.0.1.9\") | .node_id == null and
	    .status == \"closed\" and .connected == false and (.error | contains(\"refused\"))"'
	status n3 | jq -e '.connections | length == 2'
	node_stop n3
}

@test "remove_node ends the link of who is in no route; add_node brings everything back" {
	wait_until 20 linked n1 n2
	ok n1 '{"operation":"set_configuration","replication_routes":[]}'
	ok n1 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	wait_until 10 warned n2 link_failing "'127.0.1.2' was removed from the cluster by '127.0.1.1'"
	put n1 dev dog 41
	refused n1 404 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	# A route alone does not bring back what was removed.
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[\"wss://127.0.1.2:$(port n2 leafnodes)\"]}"
	wait_until 20 warned n1 link_refused "was removed from the cluster"
	ok n1 "{\"operation\":\"add_node\",\"hostname\":\"127.0.1.2\",\"port\":$(port n2 leafnodes)}"
	wait_until 20 has n2 dev dog 41
	put n2 dev dog 42
	wait_until 10 has n1 dev dog 42
	wait_until 10 linked n1 n2
}

flows()		# flows NODE OTHER PUBLISH SUBSCRIBE: of all databases, as hdb_nodes has it
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes","attribute":"name","value":"*",
	    "get_attributes":["*"]}' | jq -e --arg name "$(address "$2")" ".[] | select(.name == \$name).subscriptions |
	    length == 1 and .[0].database == \"*\" and .[0].publish == $3 and .[0].subscribe == $4"
}

@test "a route that does not receive: nothing comes, what goes goes, and both nodes know" {
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[
	    {\"url\":\"wss://127.0.1.2:$(port n2 leafnodes)\",\"replicates\":{\"receives\":false}}]}"
	node_kill n1 leafd
	wait_until 20 flows n1 n2 true false
	wait_until 20 flows n2 n1 false true
	put n2 dev dog 50
	passes n1 n2 51
	! has n1 dev dog 50 || false
	wait_until 10 linked n1 n2
}

insecure()	# insecure NODE ADDRESS OTHER-ADDRESS [HOSTNAME]
{
	node_make "$1" CLUSTERING_ENABLED=false ${4:+"REPLICATION_HOSTNAME=$4"}
	echo "$2" >"$HL_T/nodes/$1/address"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  port: $link_port
	  databases: ["*", system]
	  routes:
	    - $3
	END
	node_run "$1"
}

@test "without TLS, by address: tables replicate, users do not, and both are said loudly" {
	link_port=$(port n1 hub)
	# A port alone, and no name: a node is known by the address that it listens on.
	insecure n5 127.0.0.1 127.0.1.6
	insecure n6 127.0.1.6 127.0.0.1 127.0.1.6
	make_table n5 dog
	put n5 dev dog 5
	wait_until 20 has n6 dev dog 5
	wait_until 10 linked n6 n5
	ok n5 '{"operation":"cluster_status"}' '.node_name == "127.0.0.1"'
	warned n5 link_insecure "This node takes links without TLS on 127.0.0.1:$link_port (replication.port): whoever reaches that port can pose as any node"
	grep -q "This node takes links without TLS on 127.0.0.1:$link_port" "$HL_T/nodes/n5/log"
	wait_until 10 warned n6 users_insecure "Users and roles do not replicate with node '127.0.0.1'"
	ok n5 '{"operation":"add_role","role":"reader","permission":{}}'
	put n5 dev dog 6
	wait_until 20 has n6 dev dog 6
	ok n6 '{"operation":"list_roles"}' 'any(.[]; .role == "reader") | not'
	! pgrep -f "nats-server.*$HL_T/" || false
	node_stop n5
	node_stop n6
}

limited()	# limited NODE ADDRESS OTHER-ADDRESS
{
	node_make "$1" CLUSTERING_ENABLED=false REPLICATION_MAXPAYLOAD=1048576
	echo "$2" >"$HL_T/nodes/$1/address"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  hostname: $2
	  port: $link_port
	  databases: dev
	  routes: [$3]
	END
	node_run "$1"
}

subscribe_bird()	# subscribe_bird NODE OTHER-ADDRESS [JQ]
{
	ok "$1" "{\"operation\":\"update_node\",\"node_name\":\"$2\",\"subscriptions\":[
	    {\"database\":\"far\",\"table\":\"bird\",\"publish\":true,\"subscribe\":true}]}" "${3:-}"
}

@test "databases that are listed replicate, a table of another one when both nodes subscribe to it" {
	link_port=$(port n1 hub)
	limited n9 127.0.1.9 127.0.1.10
	limited n10 127.0.1.10 127.0.1.9
	make_table n9 dog
	make_table n9 bird far
	put n9 far bird 1
	put n9 dev dog 1
	wait_until 20 has n10 dev dog 1
	wait_until 10 linked n9 n10
	passes n9 n10 2
	ok n10 '{"operation":"describe_all"}' 'has("far") | not'
	subscribe_bird n9 127.0.1.10 '.proposed | length == 1'
	put n9 far bird 2
	passes n9 n10 3
	! has n10 far bird 2 || false
	subscribe_bird n10 127.0.1.9
	put n9 far bird 3
	wait_until 20 has n10 far bird 3
	put n10 far bird 4
	wait_until 20 has n9 far bird 4
}

@test "a large transaction passes, whatever maxPayload is" {
	jq -nc '{operation: "upsert", database: "dev", table: "dog", records: [{id: "large", v: ("x" * 6000000)}]}' >"$HL_T/large"
	ok n9 "@$HL_T/large"
	wait_until 20 has n10 dev dog '"large"'
	passes n9 n10 '"later"'
	wait_until 10 linked n10 n9
	node_stop n9
	node_stop n10
}

# Its certificate has nothing but a common name; the system trusts who has signed it, and the file names nobody.
rooted()	# rooted NODE HOSTNAME OTHER-HOSTNAME
{
	local d=$HL_T/ca.roots

	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
	    -keyout "$d/$1.key" -out "$d/$1.csr" 2>/dev/null
	openssl x509 -req -in "$d/$1.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial \
	    -days 30 -out "$d/$1.pem" 2>/dev/null
	node_make "$1" CLUSTERING_ENABLED=false "SSL_CERT_FILE=$d/ca.pem" LD_PRELOAD=libnss_wrapper.so \
	    NSS_WRAPPER_HOSTS="$HL_T/hosts" NSS_WRAPPER_DISABLE_DEEPBIND=1
	echo "$2" >"$HL_T/nodes/$1/address"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  hostname: $2
	  securePort: $(awk -v host="$2" '$2 == host { print $1 }' "$HL_T/hosts"):$link_port
	  enableRootCAs: true
	  routes:
	    - hostname: $3
	      port: $link_port
	tls:
	  certificate: $d/$1.pem
	  privateKey: $d/$1.key
	END
	node_run "$1"
}

@test "certificates that the system's authorities have signed, with a common name alone, while enableRootCAs is true" {
	link_port=$(port n1 hub)
	authority roots
	printf '%s\n' "127.0.1.7 server-seven" "127.0.1.8 server-eight" >"$HL_T/hosts"
	rooted n7 server-seven server-eight
	rooted n8 server-eight server-seven
	make_table n7 dog
	put n7 dev dog 7
	wait_until 20 has n8 dev dog 7
	wait_until 10 linked n8 n7
	ok n8 '{"operation":"set_configuration","replication_enableRootCAs":false}'
	node_kill n8 leafd
	wait_until 20 warned n8 link_failing "no authority that this node trusts has signed it"
	! linked n8 n7 || false
	ok n8 '{"operation":"set_configuration","replication_enableRootCAs":null}'
	wait_until 40 linked n8 n7
	put n8 dev dog 8
	wait_until 10 has n7 dev dog 8
	node_stop n7
	node_stop n8
}
