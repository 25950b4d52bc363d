#!/usr/bin/env bats
# hubleaf convert-config: configurations of HarmonyLite, its documentation's as they are there, and every key.

load node.bash

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
	}
	for n in $(nodes); do
		node_stop "$n" || :
	done
	hl_end
}

convert()	# convert <TEXT: what is printed of it is in $HL_T/out, and taken by a node
{
	cat >"$HL_T/config.toml"
	"$HL_CLI" convert-config "$HL_T/config.toml" >"$HL_T/out" || return 1
	! grep '^# to be mended' "$HL_T/out"
}

says()		# says TEXT...: each is a line that begins so
{
	local text

	for text in "$@"; do
		grep -qF -- "$text" "$HL_T/out" || {
			echo "not there: $text"
			cat "$HL_T/out"
			return 1
		}
	done
}

@test "every key becomes one of ours, or is said to have no counterpart" {
	local key

	convert <<-'END'
	db_path = "/srv/shop/app.db"
	node_id = 12
	seq_map_path = "/srv/shop/seq-map.cbor"
	publish = false
	replicate = false
	scan_max_changes = 512
	cleanup_interval = 5000
	sleep_timeout = 60000
	polling_interval = 100
	[snapshot]
	enabled = true
	interval = 3600000
	leader_ttl = 30000
	store = "nats"
	[snapshot.nats]
	replicas = 2
	bucket = "shop-snapshots"
	[snapshot.s3]
	endpoint = "s3.example.com"
	path = "harmonylite"
	bucket = "shop"
	use_ssl = true
	access_key = "key"
	secret = "secret"
	session_token = "token"
	[snapshot.webdav]
	url = "https://dav.example.com/?dir=/shop&login=me&secret=mine"
	[snapshot.sftp]
	url = "sftp://me:mine@sftp.example.com/shop"
	[replication_log]
	shards = 4
	max_entries = 2048
	replicas = 3
	compress = false
	update_existing = true
	[nats]
	urls = ["nats://one.example.com:4222", "nats://two.example.com:4222"]
	subject_prefix = "shop-log"
	stream_prefix = "shop"
	server_config = "/etc/nats/more.conf"
	bind_address = "0.0.0.0:4222"
	user_name = "me"
	user_password = "mine"
	seed_file = "/etc/nats/seed.nk"
	ca_file = "/etc/nats/ca.pem"
	cert_file = "/etc/nats/node.pem"
	key_file = "/etc/nats/node.key"
	connect_retries = 9
	reconnect_wait_seconds = 3
	[logging]
	verbose = true
	format = "json"
	[prometheus]
	enable = true
	bind = ":3010"
	namespace = "harmonylite"
	subsystem = ""
	[health_check]
	enable = true
	bind = "0.0.0.0:8090"
	path = "/health"
	detailed = true
	[sharding]
	ignore_tables = ["a"]
	END
	for key in seq_map_path publish replicate scan_max_changes cleanup_interval sleep_timeout polling_interval \
	    snapshot.leader_ttl snapshot.s3.endpoint snapshot.s3.path snapshot.s3.bucket snapshot.s3.use_ssl \
	    snapshot.s3.access_key snapshot.s3.secret snapshot.s3.session_token snapshot.webdav.url snapshot.sftp.url \
	    replication_log.update_existing logging.format prometheus.enable prometheus.bind \
	    prometheus.namespace prometheus.subsystem health_check.enable health_check.bind health_check.path \
	    health_check.detailed; do
		says "# $key: has no counterpart"
	done
	says '# sharding.ignore_tables: is left out: it is no key of HarmonyLite'
	! grep -q 'mine@sftp\|secret=mine' "$HL_T/out" || return 1
	for key in nats.bind_address nats.server_config nats.seed_file; do
		says "# $key: is left out: "
	done
	# Each other one is in force, or said.
	for key in snapshot.enabled snapshot.interval snapshot.store snapshot.nats.replicas snapshot.nats.bucket \
	    replication_log.shards replication_log.max_entries; do
		grep -q "^# $key: " "$HL_T/out" || yaml_has "${key##*.}: "
	done
	node_of n1
	node_run n1
	ok n1 '{"operation":"get_configuration"}' '.sqlite.paths == ["/srv/shop/app.db"] and
	    .clustering.nodeName == "node-12" and .logging.level == "debug" and
	    .replication_log.replicas == 3 and .replication_log.compress == false'
	ok n1 '{"operation":"get_configuration"}' '.nats | .subject_prefix == "shop-log" and .stream_prefix == "shop" and
	    .urls == ["nats://one.example.com:4222", "nats://two.example.com:4222"] and
	    .user_name == "me" and .user_password == "(hidden)" and .connect_retries == 9 and
	    .reconnect_wait_seconds == 3 and .ca_file == "/etc/nats/ca.pem" and
	    .cert_file == "/etc/nats/node.pem" and .key_file == "/etc/nats/node.key"'
}

node_of()	# node_of NODE [KEY=VALUE...]: that configuration is its, with places of its own
{
	local dir=$HL_T/nodes/$1

	node_make "$@"
	cp "$HL_T/out" "$dir/hubleaf.yaml"
	cat >>"$dir/env" <<-END
	ROOTPATH=$(root "$1")
	OPERATIONSAPI_NETWORK_HOST=127.0.0.1
	OPERATIONSAPI_NETWORK_PORT=$(port "$1" api)
	CLUSTERING_HUBSERVER_NETWORK_PORT=$(port "$1" hub)
	CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_PORT=$(port "$1" leafnodes)
	CLUSTERING_STATUSINTERVAL=500
	END
}

# "Embedded NATS Cluster" and "NATS and Snapshots" of its documentation, with an id and a file.
embedded()
{
	convert <<-END
	node_id = $1
	db_path = "$HL_T/app.$1.db"
	[nats]
	bind_address = "0.0.0.0:4222"
	subject_prefix = "harmonylite-change-log"
	stream_prefix = "harmonylite-changes"
	[snapshot]
	enabled = true
	store = "nats"

	[snapshot.nats]
	replicas = 2
	bucket = "harmonylite-snapshots"
	END
}

all_there()
{
	ask n1 '{"operation":"cluster_network","timeout":1000}' | jq -e '[.nodes[].name] | sort == ["node-1", "node-2", "node-3"]'
}

have_rows()	# have_rows N FILE...
{
	local f

	for f in "${@:2}"; do
		[ "$(sqlite3 -cmd '.timeout 5000' "$f" 'SELECT count(*) FROM orders')" = "$1" ] || return 1
	done
}

@test "its documentation's embedded cluster, by its own flags: three applications' files are alike" {
	local i k peers

	for i in 1 2 3; do
		embedded $i
		yaml_has 'bind_address: "0.0.0.0:4222"'
		node_of n$i "NATS_BIND_ADDRESS=127.0.0.1:"
		sed -i "s|^NATS_BIND_ADDRESS=.*|&$(port n$i leaf)|" "$HL_T/nodes/n$i/env"
		sqlite3 "$HL_T/app.$i.db" 'PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)' >/dev/null
	done
	for i in 1 2 3; do
		peers=
		for k in 1 2 3; do
			[ $k = $i ] || peers+="${peers:+,}nats://127.0.0.1:$(port n$k cluster)/"
		done
		HL_RUN_FLAGS="-cluster-addr 127.0.0.1:$(port n$i cluster) -cluster-peers $peers" node_run n$i
	done
	wait_until 20 all_there
	for i in 1 2 3; do
		ok n$i "{\"operation\":\"attach_sqlite\",\"database\":\"data\",\"path\":\"$HL_T/app.$i.db\"}"
	done
	for i in 1 2 3; do
		for k in 1 2 3; do
			[ $k -le $i ] || ok n$i "{\"operation\":\"add_node\",\"node_name\":\"node-$k\",\"subscriptions\":[{\"database\":\"data\",\"table\":\"*\",\"publish\":true,\"subscribe\":true}]}"
		done
	done
	for i in 1 2 3; do
		sqlite3 -cmd '.timeout 5000' "$HL_T/app.$i.db" "INSERT INTO orders VALUES ($i, 'of $i')"
	done
	wait_until 30 have_rows 3 "$HL_T"/app.[123].db
}

yaml_has()	# yaml_has LINE
{
	sed '/^#/d' "$HL_T/out" | grep -qF -- "$1"
}

@test "its documentation's external server" {
	convert <<-'END'
	[nats]
	urls = ["nats://localhost:4222"]
	connect_retries = 5
	reconnect_wait_seconds = 2
	subject_prefix = "harmonylite-change-log"
	stream_prefix = "harmonylite-changes"
	END
	yaml_has '- "nats://localhost:4222"'
	# Of this machine, with a word on that.
	says '# clustering.nodeName: is this machine'
	# What its sample has beside, and passes over with urls.
	convert <<-'END'
	[nats]
	urls = ["nats://user:password@localhost:4222"]
	bind_address = "0.0.0.0:4222"
	server_config = ""
	END
	says '# nats.bind_address: is left out: with nats.urls'
	[ "$(yaml_has bind_address || echo no)" = no ]
}

@test "what is no TOML, and no file" {
	local out

	printf 'node_id = 1\nnode_id = 2\n' >"$HL_T/config.toml"
	! out=$("$HL_CLI" convert-config "$HL_T/config.toml" 2>&1) || return 1
	[[ $out == *"config.toml:2: "* ]]
	! out=$("$HL_CLI" convert-config "$HL_T/none.toml" 2>&1) || return 1
	[[ $out == *"none.toml: No such file"* ]]
}
