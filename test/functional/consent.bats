#!/usr/bin/env bats
# What a linked node gets is what this side agreed to, whatever the other is made of: n1 and n2 are
# nodes, mallory is a peer with a valid certificate that keeps to nothing.

load node.bash
load certs.bash

HL_HOSTILE=$HL_BUILD/test/functional/hostile
HL_STATEMENT=$HL_BUILD/test/functional/statement
MALLORY=abad1dea00000000abad1dea00000000

start_nodes()
{
	authority ours
	certificate ours mallory serverAuth,clientAuth IP:127.0.1.9
	make_linked n1 127.0.1.7
	make_linked n2 127.0.1.8
	printf '  routes: [%s, 127.0.1.9]\n' "$(url n2)" >>"$HL_T/nodes/n1/hubleaf.yaml"
	printf '  routes: [%s]\n' "$(url n1)" >>"$HL_T/nodes/n2/hubleaf.yaml"
	node_run n1
	node_run n2
	make_table n1 dog
	make_table n1 t hidden
	put n1 dev dog 1
	put n1 hidden t 1
	wait_until 20 has n2 dev dog 1
}

make_linked()	# make_linked NODE ADDRESS: only database dev replicates by itself
{
	node_make "$1" CLUSTERING_ENABLED=false
	echo "$2" >"$HL_T/nodes/$1/address"
	certificate ours "$1" serverAuth,clientAuth "IP:$2"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  hostname: $2
	  securePort: $2:$(port "$1" leafnodes)
	  databases: [dev]
	  enableRootCAs: false
	  tls:
	    certificate: $HL_T/ca.ours/$1.pem
	    privateKey: $HL_T/ca.ours/$1.key
	    certificateAuthority: $HL_T/ca.ours/ca.pem
	END
}

address()
{
	cat "$HL_T/nodes/$1/address"
}

url()
{
	echo "wss://$(address "$1"):$(port "$1" leafnodes)"
}

put()		# put NODE DATABASE TABLE ID
{
	ok "$1" "{\"operation\":\"upsert\",\"database\":\"$2\",\"table\":\"$3\",\"records\":[{\"id\":$4}]}"
}

has()		# has NODE DATABASE TABLE ID
{
	ask "$1" "{\"operation\":\"search_by_id\",\"database\":\"$2\",\"table\":\"$3\",\"ids\":[$4],
	    \"get_attributes\":[\"id\"]}" | jq -e 'type == "array" and length == 1'
}

connection()	# connection NODE ADDRESS JQ
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".connections[] | select(.name == \"$2\") | $3"
}

node_id()	# node_id NODE: as the other knows it
{
	ask "$([ "$1" = n1 ] && echo n2 || echo n1)" '{"operation":"cluster_status"}' |
	    jq -r ".connections[] | select(.name == \"$(address "$1")\") | .node_id"
}

mallory()	# mallory COMMAND...: at n1; what it prints is in $lines
{
	as_mallory "$MALLORY" hello ready "$@"
	[ "${lines[0]}" = admitted ]
	lines=("${lines[@]:2}")
}

as_mallory()	# as_mallory ID COMMAND...
{
	local out

	out=$("$HL_HOSTILE" "$(address n1)" "$(port n1 leafnodes)" "$HL_T/ca.ours/mallory" "$1" 127.0.1.9 "${@:2}") || :
	mapfile -t lines <<<"$out"
	printf '%s\n' "$out"
}

subscription()	# subscription DATABASE TABLE PUBLISH SUBSCRIBE: an offer of it, from its side
{
	printf '{"database":"%s","table":"%s","publish":%s,"subscribe":%s,"removed":false,"stamp":[%s,1],"start_ms":0,"has_database":true,"tables":[%s]}' \
	    "$1" "$2" "$3" "$4" "$(stamp)" "${5:-}"
}

stamp()
{
	local ms=$((${EPOCHREALTIME/./} / 1000))

	echo $((ms * 65536))
}

offer()		# offer ID NAME SUBSCRIPTION...
{
	local IFS=,

	printf '{"id":"%s","name":"%s","incarnation":1,"system_info":null,"strict":true,"subscriptions":[%s]}' \
	    "$1" "$2" "${*:3}"
}

healthy()	# both nodes are as before, and there is no more memory in use than there may be
{
	local p kb

	put n1 dev dog "\"$1\""
	wait_until 20 has n2 dev dog "\"$1\""
	for p in opsd leafd; do
		kb=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$(node_pid n1 $p)/status")
		sanitized n1 || [ "$kb" -lt "${HL_RSS_MAX:-400000}" ] || { echo "$p has $kb kB"; return 1; }
	done
	[ "$(node_pid n1 opsd) $(node_pid n1 leafd)" = "$pids" ]
}

setup()
{
	pids="$(node_pid n1 opsd) $(node_pid n1 leafd)"
}

@test "what a node asks for beyond what it has is a proposal, and counts when the other side says so, too" {
	local all='{"database":"dev","table":"*","publish":true,"subscribe":true}'

	ok n2 "{\"operation\":\"update_node\",\"hostname\":\"127.0.1.7\",\"subscriptions\":[$all,
	    {\"database\":\"hidden\",\"table\":\"t\",\"publish\":false,\"subscribe\":true}]}" \
	    '.proposed == [{"schema":"hidden","database":"hidden","table":"t","publish":false,"subscribe":true}]'
	connection n1 127.0.1.8 '.proposals == [{"schema":"hidden","database":"hidden","table":"t","publish":true,
	    "subscribe":false,"agreed_here":{"publish":false,"subscribe":false},
	    "agreed_there":{"publish":true,"subscribe":false}}]'
	connection n2 127.0.1.7 '.proposals[0].agreed_there == {"publish":false,"subscribe":false}'
	"$HL_CLI" -c "$HL_T/nodes/n2/hubleaf.yaml" status json=true |
	    jq -e '.pending == ["hidden.t, from 127.0.1.7, waits for add_node or update_node there"]'
	ask n1 '{"operation":"cluster_status"}' | jq -e 'any(.warnings[]; .kind == "proposal" and (.message | contains("hidden.t")))'
	put n2 dev dog 2
	wait_until 20 has n1 dev dog 2
	refused n2 404 '{"operation":"describe_table","database":"hidden","table":"t"}'
	ok n1 "{\"operation\":\"update_node\",\"hostname\":\"127.0.1.8\",\"subscriptions\":[$all,
	    {\"database\":\"hidden\",\"table\":\"t\",\"publish\":true,\"subscribe\":false}]}" 'has("proposed") | not'
	put n1 hidden t 2
	wait_until 20 has n2 hidden t 2
	connection n1 127.0.1.8 'has("proposals") | not'
	put n1 hidden t 3
	wait_until 20 has n2 hidden t 3
	# Taking back needs nobody.
	ok n1 "{\"operation\":\"update_node\",\"hostname\":\"127.0.1.8\",\"subscriptions\":[$all,
	    {\"database\":\"hidden\",\"table\":\"t\",\"publish\":false,\"subscribe\":false}]}"
	put n1 hidden t 4
	put n1 dev dog 3
	wait_until 20 has n2 dev dog 3
	! has n2 hidden t 4 || return 1
	# All at once says it for each node.
	ok n2 "{\"operation\":\"configure_cluster\",\"connections\":[{\"url\":\"wss://127.0.1.7:$(port n1 leafnodes)\",
	    \"subscriptions\":[$all,{\"database\":\"hidden\",\"table\":\"t\",\"publish\":false,\"subscribe\":true}]}]}" \
	    '.connections == [{"node_name":"127.0.1.7","status":"ok","proposed":[
	    {"schema":"hidden","database":"hidden","table":"t","publish":false,"subscribe":true}]}]'
	ok n2 "{\"operation\":\"update_node\",\"hostname\":\"127.0.1.7\",\"subscriptions\":[$all,
	    {\"database\":\"hidden\",\"table\":\"t\",\"publish\":false,\"subscribe\":false}]}"
	put n1 dev dog 5
	wait_until 20 has n2 dev dog 5
}

@test "a peer pulls what it has, and nothing else, and not as another" {
	wait_until 20 connection n1 127.0.1.8 '.status == "open"'
	mallory pull dev dog 2 0 @ID pull hidden t 2 0 @ID pull hidden t 1 0 @ID pull hidden t 2 1 @ID \
	    pull hidden t 3 0 @ID pull dev dog 2 0 "$(node_id n2)" pull system hdb_user 2 0 @ID pull dev none 2 0 @ID
	[[ ${lines[0]} = "200 "[1-9]* ]]
	[ "${lines[*]:1}" = "403 0 403 0 403 0 403 0 403 0 403 0 404 0" ]
}

@test "its log is told of what flows alone" {
	as_mallory "$MALLORY" hello ready want >"$HL_T/log" 3>&- &
	wait_until 20 connection n1 127.0.1.9 '.status != "closed"'
	put n1 hidden t 5
	put n1 dev dog 5
	put n1 hidden t 6
	wait $!
	[ "$(tail -n 1 "$HL_T/log" | tr ' ' '\n' | grep . | sort | uniq | wc -l)" = 1 ]
}

@test "an offer with another id or name, or that widens: nothing comes of it" {
	local secret

	secret=$(subscription hidden t false true '{"table":"t","id":7,"head":0,"head_mark":0,"head_ms":0,"definition":{"primary_key":"other"}}')
	mallory ask subscriptions "$(offer "$(node_id n2)" x "$secret")" \
	    ask status '{"id":"'"$(node_id n2)"'","name":"x"}' \
	    ask subscriptions "$(offer @ID 127.0.1.8 "$secret" "$(subscription none '*' true true)")" \
	    pull hidden t 2 0 @ID
	[[ ${lines[0]} = "403 "*"'id' is not the id"* ]]
	[[ ${lines[1]} = "403 "* ]]
	# Agreed to by its side alone; nothing is told of the tables, not even that a key differs.
	[[ ${lines[2]} = "200 "* ]]
	[[ $(jq -c '.subscriptions[] | select(.database == "hidden") | [.lacks[0], .has_database, .tables]' <<<"${lines[2]#200 }") = '[1,false,[]]' ]]
	[ "${lines[3]}" = "403 0" ]
	connection n1 127.0.1.9 '(.proposals | map(.database) | sort) == ["hidden","none"]'
	connection n1 127.0.1.8 '.status == "open"'
	refused n1 404 '{"operation":"describe_table","database":"none","table":"t"}'
}

@test "a transaction of another node, of another table, or of one that does not come from it" {
	local other

	other=$(node_id n2)
	mallory push 7 dev dog @ID mine 1 push 7 dev dog "$other" forged 2
	[ "${lines[*]}" = "got got" ]
	has n1 dev dog '"mine"'
	! has n1 dev dog '"forged"' || return 1
	connection n1 127.0.1.9 '.database_sockets | any(.error // "" | contains("name it in replication.relays"))'
	mallory push 8 hidden t @ID forged 1
	! has n1 hidden t '"forged"' || return 1
	grep -q "a frame of node 127.0.1.9 is dropped" "$(root n1)/log/opsd.log"
	make_table n1 cat
	mallory push 9 dev cat @ID mine 1 push 9 hidden t @ID smuggled 2
	has n1 dev cat '"mine"'
	! has n1 hidden t '"smuggled"' || return 1
	grep -q "cursor dev.cat from node 127.0.1.9: failed: it brings a transaction of another table" \
	    "$(root n1)/log/opsd.log"
	make_table n1 bird
	ok n1 '{"operation":"set_configuration","replication_relays":["127.0.1.9"]}'
	mallory push 10 dev bird "$other" passed 1
	wait_until 10 has n1 dev bird '"passed"'
	ok n1 '{"operation":"set_configuration","replication_relays":[]}'
}

@test "another node's id, a removed link, garbage before and after HELLO: refused, with a reason" {
	as_mallory "$(node_id n2)" hello end
	[ "${lines[0]}" = refused ]
	[ "${lines[1]}" != "it stands" ]
	as_mallory "$MALLORY" noise 20 end
	[[ ${lines[1]} = *"is not understood"* ]]
	as_mallory "$MALLORY" raw 03000000000600 end
	[[ ${lines[1]} = *"is not understood"* ]]
	as_mallory "$MALLORY" hello flood 10 3 end
	[[ ${lines[2]} = *"is not understood"* ]]
	for _ in {1..3}; do
		mallory noise 50 end
		[[ ${lines[1]} = *"is not understood"* ]]
	done
	mallory ask sign '{"id":"@ID","csr":7}' ask sign '{"id":"@ID","csr":"x"}' ask withdraw '{"id":"@ID"}' \
	    ask withdraw "{\"id\":\"@ID\",\"serial\":\"$(openssl x509 -in "$HL_T/ca.ours/n2.pem" -noout -serial | cut -d = -f 2)\",\"leaves\":true}"
	[[ ${lines[*]} = "400 "*"'csr' must be a string"*"400 "*"'csr' must be a certificate request"*"400 "*"'serial' must be a string"*"404 "* ]]
	mallory ask status '[]' ask status '{"id":7}' ask nonsense '{"id":"@ID"}' ask subscriptions '{"id":"@ID","name":[]}'
	[[ ${lines[*]} = "403 "*"403 "*"4"*"4"* ]]
	healthy garbage
}

@test "floods: of questions that are not read, of WANT, of claims; memory stays bounded" {
	local i cursors

	mallory flood 100000 3
	mallory flood 10000 7
	cursors=$(for i in {1..2000}; do printf '[%s,2,3,4,5],' "$i"; done)
	for i in {1..3}; do
		mallory ask status '{"id":"@ID","name":"m","incarnation":1,"now":1,"digest":0,"since":0,"upto":1,"life":1,"topology_digest":0,"heads_after":[0,0],"cursors":['"${cursors%,}"']}'
	done
	healthy flood
}

job_failed()	# job_failed NODE ID TEXT
{
	ask "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" |
	    jq -e --arg text "$3" '.[0] | .status == "ERROR" and (.message | contains($text))'
}

@test "a peer that says our log was lost, and then gives nothing: others go on" {
	local log incarnation dog pid job

	log=$(root n1)/log/opsd.log
	dog='{"database":"dev","table":"dog","id":77,"head":5,"head_mark":5,"head_ms":5,"definition":{"primary_key":"id"}}'
	mallory ask subscriptions "$(offer @ID 127.0.1.9)"
	incarnation=$(jq .incarnation <<<"${lines[0]#200 }")
	"$HL_HOSTILE" "$(address n1)" "$(port n1 leafnodes)" "$HL_T/ca.ours/mallory" "$MALLORY" 127.0.1.9 hello ready \
	    ask subscriptions "$(offer @ID 127.0.1.9 "$(subscription '*' '*' true true "$dog")")" serve 1 \
	    ask status '{"id":"@ID","name":"n2","incarnation":1,"now":1,"digest":0,"since":0,"upto":1,"life":1,
	    "topology_digest":0,"heads_after":[0,0],"cursors":[[999,'$((incarnation + 1000))',3,4,5]]}' \
	    serve 600 >"$HL_T/silent" 3>&- &
	pid=$!
	# It is named as it is known here, whatever it says.
	wait_until 20 grep -q 'what node 127.0.1.9 has of the log is not in it .* own lost writes are fetched' "$log"
	put n1 dev dog '"meanwhile"'
	wait_until 60 has n2 dev dog '"meanwhile"'
	connection n1 127.0.1.9 '.status != "closed"'
	# Nor is there an end of what it has to be compared with.
	ok n1 '{"operation":"resync","node_name":"127.0.1.9","database":"dev","table":"dog"}'
	job=$(jq -r .job_id <<<"$body")
	wait_until 30 job_failed n1 "$job" "it does not go on"
	kill "$pid"
	wait "$pid" || :
	healthy lost
}

says()		# says BY KIND KEY AHEAD FIELDS [N]: signed with mallory's key
{
	"$HL_STATEMENT" "$HL_T/ca.ours/mallory" "$@"
}

gossip()	# gossip ENTRY...: mallory gives these to n1, which answers
{
	local IFS=,

	printf '{"id":"@ID","give":[%s]}' "$*" >"$HL_T/gossip"
	mallory ask roster "@$HL_T/gossip"
}

refused_of()	# refused_of NODE-ID TEXT: what n1 says of what was said of that
{
	ask n1 '{"operation":"cluster_status"}' | jq -e --arg id "$1" --arg text "$2" \
	    'any(.warnings[]; .kind == "member_refused" and .node_id == $id and (.message | contains($text)))'
}

known()		# known ADDRESS: what all members are told of it, as n1 has it
{
	mallory ask roster '{"id":"@ID","have":[]}' >/dev/null
	jq -c --arg host "$1" '[.give[] | select(.kind == "member") | .said.text | fromjson | select(.hostname == $host)]' \
	    <<<"${lines[0]#200 }"
}

member()	# member HOST: the fields of what it says of itself, with mallory's key
{
	printf '{"hostname":"%s","spki":"@SPKI","full":false}' "$1"
}

@test "what a member says of others that has no right to counts for nothing, and n1 says why" {
	local two serial before spki

	ok n1 '{"operation":"set_configuration","replication_introducers":["127.0.1.7","127.0.1.8"]}'
	two=$(node_id n2)
	serial=$(openssl x509 -in "$HL_T/ca.ours/n2.pem" -noout -serial | cut -d = -f 2 | tr A-F a-f | sed 's/^0*//')
	gossip "$(says "$MALLORY" member "$MALLORY" 0 "$(member 127.0.1.9)")"
	[[ ${lines[0]} = 200* ]]
	before=$(known 127.0.1.8)
	[ "$(jq length <<<"$before")" = 1 ]
	spki=$(jq -r '.[0].spki' <<<"$before")
	# As n2, which has another key; as itself, of n2.
	gossip "$(says "$two" member "$two" 0 "$(member 127.0.1.8)")"
	refused_of "$two" "comes with another key than it is known by"
	gossip "$(says "$MALLORY" member "$two" 0 "$(member 127.0.1.8)")"
	refused_of "$two" "'by' must be the node itself"
	# A removal, a revocation, an authority, an introduction.
	gossip "$(says "$MALLORY" member "$two" 0 '{"hostname":"127.0.1.8","removed":true}')"
	refused_of "$two" "'127.0.1.9' is none of replication.introducers of this node: what it says of others does not count here (member '$two')"
	gossip "$(says "$MALLORY" revoked "$serial" 0 "{\"until\":0,\"spki\":\"$spki\"}")"
	refused_of "$serial" "'127.0.1.9' is none of replication.introducers"
	gossip "$(says "$MALLORY" authority "$spki" 0 "{\"certificate\":$(jq -Rs . "$HL_T/ca.ours/ca.pem")}")"
	refused_of "$spki" "'127.0.1.9' is none of replication.introducers"
	gossip "$(says "$MALLORY" introduction abad1dea00000000abad1dea00000002 0 '{"spki":"@SPKI"}')"
	refused_of abad1dea00000000abad1dea00000002 "'127.0.1.9' is none of replication.introducers"
	# Of ten minutes from now, so that nothing could come after it.
	gossip "$(says "$MALLORY" member "$MALLORY" 600000 "$(member 127.0.1.9)")"
	refused_of "$MALLORY" "the clock of '127.0.1.9' is ahead of this node's by at least"
	[ "$(known 127.0.1.8)" = "$before" ]
	[ "$(known 127.0.1.9 | jq length)" = 1 ]
	healthy unheard
}

@test "what a member said once does not come back; pages that are too large, and no statements" {
	local old new

	mallory ask roster '{"id":"@ID","have":[]}' >/dev/null
	old=$(jq -c '[.give[] | select(.kind == "member")] | map(tostring) | join(",")' -r <<<"${lines[0]#200 }")
	gossip "$(says "$MALLORY" member "$MALLORY" 0 "$(member 127.0.1.9 | sed 's/}$/,"url":"wss:\/\/127.0.1.9:1"}/')")"
	new=$(known 127.0.1.9)
	[[ $new = *"127.0.1.9:1"* ]]
	gossip "$old"
	[ "$(known 127.0.1.9)" = "$new" ]
	gossip "$(says "$MALLORY" revoked f 0 '{"until":0}' 1001 | jq -c '.[]' | paste -sd ,)"
	[[ ${lines[0]} = 400*"'give'"* ]]
	gossip '{"said":{"text":"x","signer":"x","signature":"x"}}' 7 '{}' '{"said":[]}' '{"introduction":{}}'
	[[ ${lines[0]} = 200* ]]
	mallory ask roster '{"id":"@ID","have":7}' ask roster '{"id":"@ID","have":[["member"]]}' ask roster '{"id":"@ID","from":[1,2]}'
	[[ ${lines[*]} = "400 "*"400 "*"400 "* ]]
	healthy replayed
}

@test "a member that says that it takes links without TLS, anywhere: nobody asks there" {
	gossip "$(says "$MALLORY" member "$MALLORY" 0 '{"hostname":"127.0.1.9","spki":"@SPKI","full":true,"url":"ws://127.0.1.77:9/x?y"}')"
	[[ $(known 127.0.1.9) = *"127.0.1.77"* ]]
	gossip "$(says "$MALLORY" member "$MALLORY" 0 '{"hostname":"127.0.1.9","spki":"@SPKI","full":true,"url":"wss://127.0.1.78:9"}')"
	wait_until 20 grep -q 'no link to wss://127.0.1.78:9' "$(root n1)/log/leafd.log"
	! grep -q 127.0.1.77 "$(root n1)/log/leafd.log" || return 1
	gossip "$(says "$MALLORY" member "$MALLORY" 0 "$(member 127.0.1.9)")"
	healthy plain
}

@test "10,000 revocations by one that may: half of them are taken, and all goes on" {
	local i

	for i in 1 2 3 4 5 6 7 8 9 a; do
		printf '{"id":"@ID","give":%s}' "$(says "$MALLORY" revoked "f$i" 0 '{"until":0}' 1000)" >"$HL_T/gossip.$i"
	done
	ok n1 '{"operation":"set_configuration","replication_introducers":["*"]}'
	mallory $(for i in 1 2 3 4 5 6 7 8 9 a; do echo "ask roster @$HL_T/gossip.$i"; done)
	[ "$(grep -c '^200 ' <(printf '%s\n' "${lines[@]}"))" = 10 ]
	grep -q "node $MALLORY has brought 5000 entries of kind 'revoked' already" "$(root n1)/log/opsd.log"
	healthy full
	# Once it is removed, it is out.
	ok n1 '{"operation":"remove_node","hostname":"127.0.1.9"}'
	as_mallory "$MALLORY" hello end
	[ "${lines[0]}" = refused ]
	healthy removed
}
