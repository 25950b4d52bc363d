#!/usr/bin/env bats
# What the README tells to type, typed: its tasks in their order, on nodes that begin with nothing.

load node.bash
load external.bash

export HL_NO_USERS=1
# shellcheck disable=SC2034 # of node.bash
HL_PASSWORD=SECRET-of-all-nodes

start_nodes()
{
	local n

	mkdir "$HL_T/bin" "$HL_T/srv" "$HL_T/srv/export"
	ln -s "$HL_CLI" "$HL_T/bin/hubleaf"
	cat >"$HL_T/bin/systemctl" <<-END
	#!/bin/bash
	. "$HL_SRC/test/functional/node.bash"
	[ \$1 != daemon-reload ] || exit 0
	[ \$1 = start ] || node_stop "\$HL_NODE"
	[ \$1 = stop ] || node_run "\$HL_NODE"
	END
	chmod +x "$HL_T/bin/systemctl"
	link_port=$(hl_ports)
	export link_port
	for n in amsterdam boston cairo truck delft essen; do
		hosts=127.0.0.1
		[[ $n != delft && $n != essen ]] || hosts+=,$(address "$n")
		node_make "$n" "OPERATIONSAPI_NETWORK_HOST=$hosts"
		sed -i '/^  enabled:/d; /^  nodeName:/d; /^  user:/d' "$HL_T/nodes/$n/hubleaf.yaml"
		[[ $n == delft || $n == essen ]] || node_run "$n"
	done
}

teardown_file()
{
	nats_end_all
	hl_end
}

# Two nodes are linked by host name, and have these addresses instead.
address()
{
	case $1 in
	delft) echo 127.0.1.7 ;;
	essen) echo 127.0.1.8 ;;
	*) echo 127.0.0.1 ;;
	esac
}

secure_port()
{
	echo $(($(port "$1" api) + 1))
}

# The same for links: delft is the README's amsterdam, essen its boston.
link_places()	# link_places NODE
{
	sed -e "s|replication_hostname=[a-z]*\.example\.com|replication_hostname=$(address "$1") replication_securePort=$(address "$1"):$link_port|" \
	    -e "s|authorization=TOKEN|port=$link_port operations_port=$(secure_port delft) authorization=$token|" \
	    -e "s|\"\([a-z]*\.example\.com\)\"|\"wss://\1:$link_port\"|g" -e "s|9926|$(secure_port "$1")|" \
	    -e "s|amsterdam\.example\.com|$(address delft)|g; s|boston\.example\.com|$(address essen)|g"
}

# What stands in for a host, a port or a folder of the README is put in, and passwords are not typed.
commands()	# commands TASK NODE [NAME]: what the README calls NAME is typed on NODE
{
	"$HL_SRC/test/readme-task" "$1" "${3:-$2}" |
	    sed -e '/^hubleaf add_user/s|$| password@=- <<<SECRET-of-all-nodes|' -e '/^hubleaf alter_user.* password$/s|$|@=- <<<ANOTHER-of-all-nodes|' \
	    -e "s|clustering_nodeName=amsterdam|clustering_nodeName=$2|" \
	    -e "s|\"amsterdam.example.com\", \"port\": 9932|\"127.0.0.1\", \"port\": $(port amsterdam cluster)|" \
	    -e "s|\"amsterdam.example.com\", \"port\": 9931|\"127.0.0.1\", \"port\": $(port amsterdam leafnodes)|" \
	    -e "s|127.0.0.1:9925|127.0.0.1:$(port "$2" api)|" -e "s|/var/lib/hubleaf|$(root "$2")|" \
	    -e "s|> /etc/hubleaf/hubleaf.yaml|> $HL_T/nodes/$2/hubleaf.yaml; cat places.$2 >>$HL_T/nodes/$2/hubleaf.yaml|" \
	    -e "s|/srv/shop|$HL_T/shop.$2|g" -e "s|/etc/hubleaf/tls|$HL_T/tls.$2|g" -e "s|/srv|$HL_T/srv|g" \
	    -e "s|/etc/systemd|$HL_T/systemd|g; s|install -d -o hubleaf |install -d |; s|chown -R hubleaf: |ls |" |
	    link_places "$2"
}

# typed TASK NODE|NAME@NODE...: on these, one after the other; $output is what they said
typed()
{
	local task=$1 n name

	output=
	for n in "${@:2}"; do
		name=${n%@*}
		n=${n#*@}
		commands "$task" "$n" "$name" >"$HL_T/commands"
		[ -s "$HL_T/commands" ] || {
			echo "README: nothing to type for $task on $n"
			return 1
		}
		output+=$(cd "$HL_T" && HL_NODE=$n PATH=$HL_T/bin:$PATH \
		    HUBLEAF_CONFIG=$HL_T/nodes/$n/hubleaf.yaml bash -e commands 2>&1) || {
			cat "$HL_T/commands"
			echo "$output"
			return 1
		}
	done
}

dogs()		# dogs NODE N
{
	[ "$(ask "$1" '{"operation":"describe_table","table":"dog"}' | jq .record_count)" = "$2" ]
}

as_many_dogs()	# as_many_dogs NODE OTHER
{
	dogs "$2" "$(ask "$1" '{"operation":"describe_table","table":"dog"}' | jq .record_count)"
}

# flows TABLE FROM TO: an insert arrives
flows()
{
	ok "$2" "{\"operation\":\"insert\",\"table\":\"$1\",\"records\":[{\"id\":\"$2 to $3\"}]}"
	wait_until 15 arrived "$@"
}

arrived()
{
	ask "$3" "{\"operation\":\"search_by_id\",\"table\":\"$1\",\"ids\":[\"$2 to $3\"],\"get_attributes\":[\"id\"]}" |
	    jq -e 'length == 1'
}

direction()	# direction NODE OTHER TABLE: publish and subscribe
{
	ask "$1" '{"operation":"cluster_status"}' | jq -r --arg o "$2" --arg t "$3" '.connections[] |
	    select(.node_name == $o) | .subscriptions[] | select(.table == $t) | "\(.publish) \(.subscribe)"'
}

@test "the first administrator; a name" {
	refused amsterdam 401 '{"operation":"user_info"}'
	typed "The first administrator" amsterdam boston cairo truck
	ok amsterdam '{"operation":"user_info"}' '.role.permission.super_user'
	typed "Name the node, and let it be a member" amsterdam boston cairo truck
	for n in amsterdam boston cairo truck; do
		wait_until 20 node_ready $n
	done
}

@test "a route" {
	typed "Add a route" boston cairo
	wait_until 20 in_network cairo amsterdam boston
}

@test "a table" {
	typed "Subscribe a table" amsterdam
	wait_until 10 dogs boston 1
	flows dog boston amsterdam
}

@test "topologies" {
	typed Topologies boston truck amsterdam
	flows dog boston cairo
	flows dog cairo amsterdam
	flows orders amsterdam cairo
	flows visits cairo boston
	flows visits amsterdam boston
	flows position truck amsterdam
	for n in amsterdam boston cairo; do
		# Each learns of the others' settings when they next tell each other their status.
		wait_until 15 no_warnings $n
	done
}

@test "what is wrong" {
	typed "See what is wrong" amsterdam
	[[ $output == *boston*cairo* ]]
	[[ $output != *missing:* ]] || { echo "$output" | grep -A4 missing:; false; }
	# and the lines of the log
	[[ $output == *" warn "* ]]
}

@test "another direction" {
	typed "Change the direction" amsterdam
	[ "$(direction amsterdam boston dog)" = "true false" ]
	wait_until 5 eval '[ "$(direction boston amsterdam dog)" = "false true" ]'
}

# Its host is gone, and the new one begins with nothing but the configuration.
@test "a dead node" {
	node_stop cairo
	rm -rf "$(root cairo)"
	node_run cairo
	typed "The first administrator" cairo
	typed "Name the node, and let it be a member" cairo
	wait_until 20 node_ready cairo
	typed "Add a route" cairo
	wait_until 20 in_network cairo amsterdam boston truck
	typed "Replace a dead node" amsterdam boston cairo
	wait_until 15 as_many_dogs amsterdam cairo
	flows dog cairo amsterdam
	flows dog amsterdam cairo
	ok amsterdam '{"operation":"cluster_status"}' '[.connections[] | select(.node_name == "cairo")] | length == 1'
	[ -z "$(direction boston cairo dog)" ]
}

@test "a node less" {
	typed "Take a node out" amsterdam cairo boston
	[ -z "$(direction amsterdam cairo dog)" ]
	wait_until 20 in_network amsterdam boston
	wait_until 10 eval '[ -z "$(direction cairo amsterdam dog)" ]'
	ok cairo '{"operation":"cluster_get_routes"}' '.hub == []'
}

@test "another name" {
	typed "Rename a node" boston
	wait_until 20 eval '[ "$(direction amsterdam brussels dog)" = "true false" ]'
	flows dog amsterdam boston
}

only_added()	# only_added NODE: nothing else is in force
{
	[ "$(ask "$1" '{"operation":"list_certificates"}' | jq -c 'map(.name)')" = '["node","ca"]' ]
}

certificate()	# certificate NODE FOLDER [ADDRESS]: of the authority, for the node
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
	    -keyout "$2/node.key" -out "$HL_T/csr" 2>/dev/null
	openssl x509 -req -in "$HL_T/csr" -CA "$HL_T/ca.pem" -CAkey "$HL_T/ca.key" -CAcreateserial -days 30 \
	    -out "$2/node.pem" -extfile <(
		printf 'subjectAltName=IP:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${3:-127.0.0.1}") 2>/dev/null
}

@test "certificates" {
	local n serial

	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=authority" -keyout "$HL_T/ca.key" \
	    -addext basicConstraints=critical,CA:TRUE -out "$HL_T/ca.pem" 2>/dev/null
	for n in amsterdam boston; do
		mkdir "$HL_T/tls.$n"
		cp "$HL_T/ca.pem" "$HL_T/tls.$n"
		certificate "$n" "$HL_T/tls.$n"
	done
	typed "Add certificates over the API" amsterdam boston
	for n in amsterdam boston; do
		wait_until 20 only_added "$n"
	done
	ok amsterdam '{"operation":"insert","table":"dog","records":[{"id":"added"}]}'
	wait_until 20 as_many_dogs amsterdam boston
	typed "Replace certificates" amsterdam boston
	[[ $output == *node.key* ]]	# what is given to the daemons' user is listed
	ok amsterdam '{"operation":"insert","table":"dog","records":[{"id":"verified"}]}'
	wait_until 20 as_many_dogs amsterdam boston
}

@test "a renewed certificate" {
	mkdir "$HL_T/srv/new"
	certificate amsterdam "$HL_T/srv/new"
	serial=$(openssl x509 -in "$HL_T/srv/new/node.pem" -noout -serial | sed 's/.*=//')
	typed "Renew a certificate" amsterdam
	tr -d : <<<"$output" | grep -qi "$serial"
	ok amsterdam '{"operation":"insert","table":"dog","records":[{"id":"renewed"}]}'
	wait_until 20 as_many_dogs amsterdam boston
}

both_ways()	# both_ways: a table of delft comes to essen, and rows go both ways
{
	ok delft '{"operation":"create_table","table":"dog","primary_key":"id"}'
	ok delft '{"operation":"insert","table":"dog","records":[{"id":1}]}'
	wait_until 20 dogs essen 1
	flows dog essen delft
}

@test "a link by host name, with a token; out again" {
	node_run delft
	node_run essen
	typed "The first administrator" delft essen
	typed "Link nodes by host name" amsterdam@delft
	token=$(sed -n 's/^token: *//p' <<<"$output")
	[[ $token == hlj1.* ]]
	typed "Link nodes by host name" boston@essen
	[[ $output == *"Successfully added '127.0.1.7'"*"status: open"* ]]
	both_ways
	typed "Take a linked node out" amsterdam@delft
	wait_until 20 no_connections essen
	no_connections delft
}

no_connections()
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.connections == []'
}

@test "links with certificates of one's own" {
	local n

	for n in delft essen; do
		node_stop "$n"
		rm -rf "$(root "$n")"
		node_run "$n"
		mkdir "$HL_T/tls.$n"
		cp "$HL_T/ca.pem" "$HL_T/tls.$n"
		certificate "$n" "$HL_T/tls.$n" "$(address "$n")"
	done
	typed "The first administrator" delft essen
	typed "Link nodes with certificates of your own" delft essen
	[[ $output != *missing:* ]] || { echo "$output" | grep -A4 missing:; false; }
	both_ways
	node_stop delft
	node_stop essen
}

@test "CSV in, rows out" {
	printf 'id,name\n2,Harper\n3,Alby\n' >"$HL_T/srv/dogs.csv"
	typed "Load CSV" cairo
	wait_until 10 arrived_csv
	typed Export cairo
	grep -qx "ReadWritePaths=$HL_T/srv/export" "$HL_T/systemd/system/hubleaf-opsd.service.d/export.conf"
	grep -q "^2,Harper" "$HL_T/dogs.csv"
	jq -e '.[] | select(.id == 3) | .name == "Alby"' "$HL_T/srv/export/dogs.json"
}

arrived_csv()
{
	ask cairo '{"operation":"search_by_id","table":"dog","ids":[3],"get_attributes":["name"]}' | jq -e '.[0].name == "Alby"'
}

@test "a backup" {
	typed "Back up and restore" cairo
	tar -tf "$HL_T/srv/amsterdam.tar" | grep -qx database/CURRENT
	arrived_csv
	ok cairo '{"operation":"user_info"}' '.role.permission.super_user'
	ls -d "$(root cairo)"/database.before-*
	rm -rf "$(root cairo)"/*.before-*
}

shops()		# shops: their rows are the same
{
	local n rows=

	for n in gouda hoorn; do
		rows+=$(sqlite3 -cmd '.timeout 5000' "$HL_T/shop.$n/app.db" "SELECT group_concat(id || what, ',') FROM (SELECT * FROM orders ORDER BY id)")$'\n'
	done
	[ "$rows" = "$1"$'\n'"$1"$'\n' ] || { echo "$rows"; false; }
}

@test "from HarmonyLite" {
	local n i=0

	nats_make x1
	nats_run x1
	for n in gouda hoorn; do
		i=$((i + 1))
		node_make $n
		printf 'rootPath: %s\noperationsApi:\n  network:\n    host: 127.0.0.1\n    port: %s\n' \
		    "$(root $n)" "$(port $n api)" | tee "$HL_T/places.$n" >"$HL_T/nodes/$n/hubleaf.yaml"
		mkdir "$HL_T/shop.$n"
		cat >"$HL_T/shop.$n/config.toml" <<-END
		db_path = "$HL_T/shop.$n/app.db"
		node_id = $i
		seq_map_path = "$HL_T/shop.$n/seq-map.cbor"
		[nats]
		urls = ["$(nats_url x1)"]
		subject_prefix = "harmonylite-change-log"
		stream_prefix = "harmonylite-changes"
		[replication_log]
		shards = 1
		replicas = 1
		END
		sqlite3 "$HL_T/shop.$n/app.db" "PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT);
		    INSERT INTO orders VALUES (1, 'one'), ($((i + 1)), 'of $n')" >/dev/null
		node_run $n
	done
	typed "The first administrator" gouda hoorn
	typed "I come from HarmonyLite" gouda hoorn
	grep -qx "ReadWritePaths=$HL_T/shop.hoorn" "$HL_T/systemd/system/hubleaf-opsd.service.d/sqlite.conf"
	for n in gouda hoorn; do
		wait_until 20 node_ready $n
	done
	wait_until 20 both_shops
	typed "Attach SQLite files" node-1@gouda node-2@hoorn
	wait_until 20 shops '1one,2of gouda'
	sqlite3 -cmd '.timeout 5000' "$HL_T/shop.hoorn/app.db" "INSERT INTO orders VALUES (7, 'more'); DELETE FROM orders WHERE id = 1"
	wait_until 20 shops '2of gouda,7more'
	node_stop gouda
	node_stop hoorn
	nats_end_all
}

both_shops()
{
	ask gouda '{"operation":"cluster_network","timeout":1000}' | jq -e '[.nodes[].name] | sort == ["node-1", "node-2"]'
}

@test "users, retention, watching" {
	typed "Users and roles" cairo
	[[ $output == *joe* ]]
	typed "Keep less" cairo
	ok cairo '{"operation":"describe_table","table":"session"}' '.expiration == 86400'
	typed Watch cairo
	[[ $output == *running* ]]
	typed "Maintain a node" cairo
	[[ $output == *"new disks until 14:00"* && $output == *"out of service"* ]]
	ok cairo '{"operation":"get_status"}' 'map([.id, .status]) == [["availability","Available"]]'
}
