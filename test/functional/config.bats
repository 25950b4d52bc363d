#!/usr/bin/env bats
# Configuration: file, environment, flags; what is wrong is said.

load node.bash
load certs.bash

setup_file() { :; }
teardown_file() { :; }

setup()
{
	hl_begin
	F=$HL_T/hubleaf.yaml
}

teardown()
{
	hl_end
}

check()		# check [ARGUMENT...]: opsd -n with the file on standard input
{
	cat >"$F"
	run "$HL_BUILD/opsd/opsd" -n -c "$F" "$@"
}

@test "a good file" {
	check <<-END
	rootPath: $HL_T/root
	clustering:
	  enabled: true
	  nodeName: n1
	  user: cluster
	END
	[ "$status" = 0 ]
	[ ! -e "$HL_T/root" ]
}

@test "the three daemons check the same file" {
	printf 'rootPath: %s\nclustering:\n  nodeNam: n1\n' "$HL_T/root" >"$F"
	for p in opsd/opsd hubd/hubd leafd/leafd; do
		run "$HL_BUILD/$p" -n -c "$F"
		[ "$status" != 0 ]
		[[ $output == *clustering.nodeName* ]]
	done
}

@test "an unknown key names the nearest one" {
	check <<<"clustering: { hubServr: { network: { port: 1 } } }"
	[ "$status" != 0 ]
	[[ $output == *":1: unknown key "*clustering.hubServer.network.port* ]]
}

@test "a misspelt variable is said; a file alone is checked without any" {
	printf 'threads: 2\n' >"$F"
	run env "ROOTPATH=$HL_T/root" THREDS=3 CLUSTERING_NODNAME=x "$HL_BUILD/opsd/opsd" -n -c "$F"
	[ "$status" = 0 ]
	[[ $output == *"warning: environment variable 'CLUSTERING_NODNAME' is not known, did you mean 'CLUSTERING_NODENAME'?"* ]]
	# settings of this host, which are not those of the file's
	mkdir -p "$HL_T/other"
	printf 'threads: many\n' >"$HL_T/other/settings.yaml"
	printf 'rootPath: %s\ntls: {certificate: /nowhere.pem, privateKey: /nowhere.key}\noperationsApi: {network: {securePort: 9943}}\n' "$HL_T/other" >"$F"
	run env THREADS=many "$HL_BUILD/opsd/opsd" -n -c "$F"
	[ "$status" != 0 ]
	run env THREADS=many "$HL_BUILD/opsd/opsd" -N -c "$F"
	[[ $status = 0 && $output == "configuration ok" ]]
	printf 'thread: 2\n' >"$F"
	run "$HL_BUILD/hubd/hubd" -N -c "$F"
	[[ $status = 1 && $output == *":1: unknown key 'thread', did you mean 'threads'?"* ]]
}

@test "wrong types, ranges and words; all are named at once" {
	check <<-END
	rootPath: $HL_T/root
	clustering:
	  enabled: maybe
	  nodeName: "a b"
	  logLevel: loud
	operationsApi:
	  network:
	    port: 70000
	END
	[ "$status" != 0 ]
	for key in clustering.enabled clustering.logLevel operationsApi.network.port; do
		[[ $output == *"$key"* ]]
	done
	check <<<"clustering: { nodeName: 'a.b' }"
	[ "$status" != 0 ]
	[[ $output == *nodeName* ]]
}

@test "clustering needs a name and a user" {
	check <<<"clustering: { enabled: true, nodeName: n1 }"
	[ "$status" != 0 ]
	[[ $output == *clustering.user* ]]
	check <<<"clustering: { enabled: true, user: cluster }"
	[ "$status" != 0 ]
	[[ $output == *clustering.nodeName* ]]
}

@test "no YAML, no file" {
	check <<<"a: [1"
	[ "$status" != 0 ]
	[[ $output == *"$F"* ]]
	run "$HL_BUILD/opsd/opsd" -n -c "$HL_T/none.yaml"
	[ "$status" != 0 ]
	[[ $output == *none.yaml* ]]
}

@test "flags over environment over file" {
	node_make n1 clustering_requesttimeout=2222 STORAGE_WRITEASYNC=true
	HL_RUN_FLAGS="--CLUSTERING_STATUSINTERVAL 3333 --clustering_requestTimeout=4444" node_run n1
	ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 4444 and .storage.writeAsync
	    and .clustering.statusInterval == 3333'
	node_stop n1
	node_run n1
	ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 2222 and .clustering.statusInterval == 500'
}

@test "a wrong value in the environment or a flag is refused as well" {
	check <<<"rootPath: $HL_T/root"
	[ "$status" = 0 ]
	check --CLUSTERING_REQUESTTIMEOUT 1 <<<"rootPath: $HL_T/root"
	[ "$status" != 0 ]
	[[ $output == *clustering.requestTimeout* ]]
	CLUSTERING_REQUESTTIMEOUT=soon check <<<"rootPath: $HL_T/root"
	[ "$status" != 0 ]
	[[ $output == *clustering.requestTimeout* ]]
}

@test "routes from the environment, as JSON" {
	node_start n1
	node_start n2 "CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES=[{\"host\":\"127.0.0.1\",\"port\":$(port n1 cluster)}]"
	wait_until 20 in_network n1 n2
}

@test "what the API sets outlives a restart, and the file stays as it was" {
	node_start n1
	sum=$(md5sum <"$HL_T/nodes/n1/hubleaf.yaml")
	ok n1 '{"operation":"set_configuration","logging_auditRetention":"5d"}'
	ok n1 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"127.0.0.1","port":1}]}'
	node_stop n1
	node_run n1
	ok n1 '{"operation":"get_configuration"}' '.logging.auditRetention == 432000 or .logging.auditRetention == "5d"'
	ok n1 '{"operation":"cluster_get_routes"}' '.hub | length == 1'
	[ "$(md5sum <"$HL_T/nodes/n1/hubleaf.yaml")" = "$sum" ]
	[ -e "$(root n1)/settings.yaml" ]
}

@test "SIGHUP reads the file anew, a faulty one is refused" {
	node_start n1
	sed -i 's/requestTimeout: .*/requestTimeout: 4321/' "$HL_T/nodes/n1/hubleaf.yaml"
	kill -HUP "$(node_pid n1 run)"
	wait_until 5 ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 4321'
	sed -i 's/requestTimeout: .*/requestTimeout: never/' "$HL_T/nodes/n1/hubleaf.yaml"
	kill -HUP "$(node_pid n1 run)"
	wait_until 5 grep -q requestTimeout "$HL_T/nodes/n1/log"
	ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 4321'
}

@test "clustering turned off: the node serves, cluster operations say so" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	ok n1 '{"operation":"cluster_status"}' '.is_enabled == false and .connections == []'
	make_table n1 t
	insert n1 t '{"id":1}'
	refused n1 400 '{"operation":"add_node","node_name":"n2","subscriptions":[
	    {"database":"dev","table":"t","publish":true,"subscribe":true}]}' 'not enabled'
}

pending()	# pending NODE JQ: get_configuration's list
{
	ok "$1" '{"operation":"get_configuration"}' "(.pending // []) | $2"
}

@test "set_configuration: what is live is in force, the rest is pending" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	pending n1 'length == 0'
	ok n1 '{"operation":"set_configuration","CLUSTERING_requesttimeout":2500,"storage.cacheSize":16777216}' \
	    '.live == ["clustering.requestTimeout"] and .restart == ["storage.cacheSize"] and
	    .message == "Configuration successfully set. You must restart HarperDB for new config settings to take effect."'
	ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 2500 and .storage.cacheSize == 16777216'
	pending n1 '. == [{"key":"storage.cacheSize","in_memory":8388608,"on_disk":16777216,"needs":"restart"}]'
	sed -i 's/statusInterval: .*/statusInterval: 777/' "$HL_T/nodes/n1/hubleaf.yaml"
	pending n1 'map([.key, .needs]) == [["clustering.statusInterval","reload"],["storage.cacheSize","restart"]]'
	node_stop n1
	node_run n1
	pending n1 'length == 0'
	ok n1 '{"operation":"get_configuration"}' '.storage.cacheSize == 16777216 and .clustering.statusInterval == 777'
}

@test "set_configuration: set back to what is in force, a key needs no restart" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	ok n1 '{"operation":"set_configuration","storage_cacheSize":16777216}' '.restart == ["storage.cacheSize"]'
	# said again, it still waits
	ok n1 '{"operation":"set_configuration","storage_cacheSize":"16777216","jobs_retention":"4d"}' \
	    '.restart == ["storage.cacheSize"] and .live == ["jobs.retention"] and (.message | contains("must restart"))'
	ok n1 '{"operation":"set_configuration","storage_cacheSize":8388608}' \
	    '.live == ["storage.cacheSize"] and .restart == [] and .message == "Configuration successfully set."'
	pending n1 'length == 0'
	ok n1 '{"operation":"set_configuration","jobs_threads":3}' '.restart == ["jobs.threads"]'
	ok n1 '{"operation":"set_configuration","jobs_threads":null}' '.live == ["jobs.threads"] and .restart == []'
	ok n1 '{"operation":"set_configuration","jobs_threads":null}' '.message | endswith("Nothing was changed.")'
}

two_pairs()	# certificates and keys of a and b in $HL_T/pem
{
	local n

	mkdir "$HL_T/pem"
	for n in a b; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$n" \
		    -keyout "$HL_T/pem/$n.key" -out "$HL_T/pem/$n.pem" 2>/dev/null
	done
}

@test "set_configuration: addresses that the next start could not listen on" {
	local bad

	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	for bad in '::ffff:127.0.0.1, 127.0.0.1' 'no.such.host.invalid' ',' '127.0.0.1:80' '0.0.0.0, 127.0.0.1' '192.0.2.77'; do
		refused n1 400 "{\"operation\":\"set_configuration\",\"operationsApi_network_host\":\"$bad\"}" \
		    "operationsApi.network.host: "
	done
	ok n1 '{"operation":"set_configuration","operationsApi_network_host":"127.0.0.1, 127.0.0.2"}'
	node_stop n1
	node_run n1
	ok n1 '{"operation":"get_configuration"}' '.operationsApi.network.host == "127.0.0.1, 127.0.0.2"'
}

@test "an address that is taken ends the start with the reason" {
	node_make n1
	node_run n1
	node_make n2
	run timeout 20 "$HL_BUILD/opsd/opsd" -c "$HL_T/nodes/n2/hubleaf.yaml" \
	    --OPERATIONSAPI_NETWORK_PORT "$(port n1 api)"
	[ "$status" = 1 ]
	[[ $output == *"operationsApi.network.host: 127.0.0.1 port $(port n1 api): Address already in use"* ]]
}

@test "set_configuration: certificates and keys that the next start would refuse" {
	local f https

	two_pairs
	f=$HL_T/pem
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	https="{\"operation\":\"set_configuration\",\"operationsApi_network_securePort\":$(($(port n1 api) + 1))"
	refused n1 400 "$https,\"tls_certificate\":\"$f/none.pem\",\"tls_privateKey\":\"$f/a.key\"}" \
	    "tls.certificate: $f/none.pem: No such file or directory"
	refused n1 400 "$https,\"tls_certificate\":\"$f/a.pem\",\"tls_privateKey\":\"$f/b.key\"}" \
	    "tls.privateKey: $f/b.key is not the key of the certificate $f/a.pem"
	refused n1 400 "$https,\"tls_certificate\":\"$f/a.key\",\"tls_privateKey\":\"$f/a.key\"}" "no certificate (PEM) is in it"
	# nothing of it was written; what is good is taken, and outlives a restart
	ok n1 '{"operation":"get_configuration"}' '.tls.certificate == null and .operationsApi.network.securePort == null'
	ok n1 "$https,\"tls_certificate\":\"$f/a.pem\",\"tls_privateKey\":\"$f/a.key\"}"
	refused n1 400 "{\"operation\":\"set_configuration\",\"tls_privateKey\":\"$f/b.key\"}" "is not the key of the certificate"
	# other keys are not held up by files that went bad meanwhile
	mv "$f/a.pem" "$f/gone.pem"
	ok n1 '{"operation":"set_configuration","jobs_retention":"4d"}'
	mv "$f/gone.pem" "$f/a.pem"
	node_stop n1
	node_run n1
}

@test "certificates for links that no other node would take are refused, whichever way they come" {
	authority x
	certificate x good serverAuth,clientAuth DNS:links.example.com
	certificate x usage serverAuth DNS:links.example.com
	certificate x name serverAuth,clientAuth DNS:other.example.com
	node_make n1 CLUSTERING_ENABLED=false
	echo "REPLICATION_SECUREPORT=127.0.0.1:$(port n1 link)" >>"$HL_T/nodes/n1/env"
	node_run n1
	ok n1 '{"operation":"set_configuration","replication_hostname":"links.example.com"}'
	pem() { echo "\"replication_tls_certificate\":\"$HL_T/ca.x/$1.pem\",\"replication_tls_privateKey\":\"$HL_T/ca.x/$1.key\""; }
	refused n1 400 "{\"operation\":\"set_configuration\",$(pem name)}" \
	    "name.pem is not for 'links.example.com' (replication.hostname)"
	refused n1 400 "{\"operation\":\"set_configuration\",$(pem usage)}" \
	    "usage.pem is not for servers and clients (serverAuth and clientAuth)"
	ok n1 '{"operation":"get_configuration"}' '.replication.tls.certificate == null'
	added()
	{
		jq -cn --rawfile c "$HL_T/ca.x/$1.pem" --rawfile k "$HL_T/ca.x/$1.key" \
		    '{operation: "add_certificate", name: "links", is_authority: false, certificate: $c, private_key: $k} '"+ {$2}"
	}
	refused n1 400 "$(added name 'uses: ["replication"]')" \
	    "'certificate' is not for 'links.example.com' (replication.hostname), which replication needs"
	# Nobody said that it is for links.
	ok n1 "$(added name '')"
	ok n1 '{"operation":"get_configuration"}' '.replication.tls.certificate == null and .tls.certificate != null'
	ok n1 "{\"operation\":\"set_configuration\",$(pem good)}" '.live | length == 2'
	# A name that it is not for comes with another one.
	refused n1 400 '{"operation":"set_configuration","replication_hostname":"other.example.com"}' \
	    "good.pem is not for 'other.example.com' (replication.hostname)"
	ok n1 "{\"operation\":\"set_configuration\",\"replication_hostname\":\"other.example.com\",$(pem name)}"
	node_stop n1
}

@test "set_configuration: clustering's certificates are looked at when it is turned on" {
	two_pairs
	node_make n1
	node_run n1
	refused n1 400 "{\"operation\":\"set_configuration\",\"clustering_tls_certificate\":\"$HL_T/pem/a.pem\",\"clustering_tls_privateKey\":\"$HL_T/pem/b.key\"}" \
	    "clustering.tls.privateKey: $HL_T/pem/b.key is not the key of the certificate"
	refused n1 400 "{\"operation\":\"set_configuration\",\"clustering_tls_certificateAuthority\":\"$HL_T/pem/none\"}" "No such file or directory"
	refused n1 400 "{\"operation\":\"set_configuration\",\"clustering_tls_certificate\":\"$HL_T/pem/a.pem\",\"clustering_tls_privateKey\":\"$HL_T/pem/a.key\"}" \
	    "as a server it does not pass with certificateAuthority (unset: the system's)"
	ok n1 "{\"operation\":\"set_configuration\",\"clustering_tls_certificate\":\"$HL_T/pem/a.pem\",\"clustering_tls_privateKey\":\"$HL_T/pem/a.key\",\"clustering_tls_insecure\":true}"
}

as_other()	# as_other COMMAND...: as a user who is not root, as the daemons are run
{
	[ "$(id -u)" != 0 ] || set -- setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	${RUN:-} "$@"
}

hand_over()	# hand_over PATH...: to that user
{
	[ "$(id -u)" != 0 ] || chown -R 65534:65534 "$@"
}

unreadable()	# unreadable TEXT...: `opsd -n` as that user refuses, and says exactly so
{
	run as_other "$HL_BUILD/opsd/opsd" -n -c "$HL_T/nodes/n1/hubleaf.yaml"
	[ "$status" != 0 ]
	[[ $output == *"$1"* ]]
}

@test "certificates and keys that the daemons' user cannot read" {
	local f=$HL_T/pem conf key

	two_pairs
	node_make n1
	chmod 711 "$HL_T"
	hand_over "$HL_T/nodes/n1" "$f"
	[ "$(id -u)" != 0 ] || chown root "$f/b.key" "$f/b.pem"
	chmod "$([ "$(id -u)" = 0 ] && echo 600 || echo 0)" "$f/b.key" "$f/b.pem"
	printf '#!/bin/bash\n%s\nRUN=exec as_other %q "$@"\n' "$(declare -f as_other)" "$HL_CLI" >"$HL_T/hubleaf"
	chmod 755 "$HL_T/hubleaf"
	HL_CLI=$HL_T/hubleaf node_run n1
	[ "$(stat -c %u "/proc/$(node_pid n1 opsd)")" = "$(stat -c %u "$f/a.key")" ]
	for key in clustering_tls tls; do
		conf="{\"operation\":\"set_configuration\",\"operationsApi_network_securePort\":$(($(port n1 api) + 1))"
		refused n1 400 "$conf,\"${key}_certificate\":\"$f/a.pem\",\"${key}_privateKey\":\"$f/b.key\"}" \
		    "${key/_/.}.privateKey: $f/b.key: Permission denied"
		refused n1 400 "$conf,\"${key}_certificate\":\"$f/b.pem\",\"${key}_privateKey\":\"$f/b.key\"}" \
		    "${key/_/.}.certificate: $f/b.pem: Permission denied"
	done
	refused n1 400 "{\"operation\":\"set_configuration\",\"clustering_tls_certificateAuthority\":\"$f/b.pem\"}" \
	    "clustering.tls.certificateAuthority: $f/b.pem: Permission denied"
	node_stop n1
	# A folder that may not be entered is not one that is empty: nothing would be made there.
	chmod 0 "$(root n1)/keys"
	unreadable "clustering.tls.certificate: $(root n1)/keys/certificate.pem: Permission denied"
	chmod 700 "$(root n1)/keys"
	printf 'tls: {certificate: %s, privateKey: %s}\n' "$f/a.pem" "$f/b.key" >>"$HL_T/nodes/n1/hubleaf.yaml"
	sed -i '/^operationsApi:$/,$ s/^  network:$/&\n    securePort: 9943/' \
	    "$HL_T/nodes/n1/hubleaf.yaml"
	unreadable "tls.privateKey: $f/b.key: Permission denied"
}

@test "set_configuration: text is cast, null and undefined are the default" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	ok n1 '{"operation":"set_configuration","jobs_retention":"3D","storage_writeAsync":"TRUE",
	    "operationsApi_network_port":"'"$(port n1 api)"'","operationsApi_network_corsAccessList":"[\"https://a.example\"]",
	    "logging_rotation_maxSize":"2M"}' '.message | startswith("Configuration successfully set")'
	ok n1 '{"operation":"get_configuration"}' '.jobs.retention == "3D" and .storage.writeAsync == true and
	    .operationsApi.network.corsAccessList == ["https://a.example"] and .logging.rotation.maxSize == "2M"'
	ok n1 '{"operation":"set_configuration","jobs_retention":null,"storage_writeAsync":"undefined"}' \
	    '.live | sort == ["jobs.retention","storage.writeAsync"]'
	ok n1 '{"operation":"get_configuration"}' '.jobs.retention == 2592000 and .storage.writeAsync == false'
}

@test "set_configuration: keys that only peers have are skipped and named, misspelt ones refused" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	ok n1 '{"operation":"set_configuration","http_port":9926,"localStudio_enabled":true,"mqtt.network.port":1883,"jobs_retention":"4d"}' \
	    '.skipped == ["http_port","localStudio_enabled","mqtt.network.port"] and .live == ["jobs.retention"] and .message ==
	    "Configuration successfully set. Skipped, as this node has no such keys: http_port, localStudio_enabled, mqtt.network.port."'
	ok n1 '{"operation":"get_configuration"}' '.jobs.retention == "4d" or .jobs.retention == 345600'
	ok n1 '{"operation":"set_configuration","THREADS_COUNT":4}' '.message ==
	    "Configuration successfully set. Nothing was changed. Skipped, as this node has no such key: THREADS_COUNT."'
	# a section as an object is its keys, ours and theirs
	ok n1 '{"operation":"set_configuration","localStudio":{"enabled":true},"mqtt":{"network":{"port":1883}},
	    "http":{"port":9926,"cors":true},"jobs":{"retention":"6d"},"logging":{"rotation":{"maxSize":"3M"}}}' \
	    '.skipped == ["localStudio","mqtt","http_port","http_cors"] and
	    .live == ["jobs.retention","logging.rotation.maxSize"]'
	refused n1 400 '{"operation":"set_configuration","http":{"prot":9926},"jobs":{"retention":"7d","threads":"x"}}' \
	    "'http_prot' is not a configuration key, the nearest is"
	refused n1 400 '{"operation":"set_configuration","jobs":{}}' "'jobs' is empty"
	refused n1 400 '{"operation":"set_configuration","jobs":7}' "'jobs' must be an object"
	refused n1 400 '{"operation":"set_configuration","jobs":{"retention":"7d"},"jobs_retention":"8d"}' 'given twice'
	refused n1 400 '{"operation":"set_configuration","jobs_retention":{"x":1}}' "'jobs.retention' must be"
	ok n1 '{"operation":"set_configuration","jobs":{"retention":"4d"}}'
	# all or nothing
	refused n1 400 '{"operation":"set_configuration","http_prot":9926,"http_port":1,"jobs_retention":"5d"}' \
	    "'http_prot' is not a configuration key"
	ok n1 '{"operation":"get_configuration"}' '.jobs.retention == "4d" or .jobs.retention == 345600'
	ok n1 '{"operation":"set_configuration","jobs_retention":null}' 'has("skipped") | not'
}

@test "set_configuration: all or nothing, and each fault is named" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	refused n1 400 '{"operation":"set_configuration"}' 'a configuration key is required'
	refused n1 400 '{"operation":"set_configuration","jobs_retention":"5d","jobs_retentio":"5d","threads":"many"}' \
	    "'jobs_retentio' is not a configuration key, the nearest is 'jobs.retention'. 'threads' must be a number"
	refused n1 400 '{"operation":"set_configuration","jobs_retention":"5d","operationsApi_network_securePort":'"$(port n1 api)"'}' \
	    'operationsApi.network.port and operationsApi.network.securePort cannot be the same value'
	refused n1 400 '{"operation":"set_configuration","jobs_retention":"5d","JOBS_RETENTION":"6d"}' 'given twice'
	refused n1 400 '{"operation":"set_configuration","clustering_enabled":true}' 'environment has a variable for it'
	refused n1 400 '{"operation":"set_configuration","logging_rotation_maxSize":null,"logging_rotation_compress":true}' \
	    "'logging.rotation.compress' must be false"
	[ ! -e "$(root n1)/settings.yaml" ]
	ok n1 '{"operation":"get_configuration"}' '.jobs.retention == 2592000'
}

@test "set_configuration: the file before is kept, and nothing is written when nothing changes" {
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	ok n1 '{"operation":"set_configuration","jobs_retention":"5d"}'
	[ -z "$(ls "$(root n1)/backup")" ]
	inode=$(stat -c %i "$(root n1)/settings.yaml")
	ok n1 '{"operation":"set_configuration","jobs_retention":432000}' '.live == [] and .restart == []'
	[ "$(stat -c %i "$(root n1)/settings.yaml")" = "$inode" ]
	for i in {1..12}; do
		ok n1 '{"operation":"set_configuration","jobs_retention":"'"$i"'h"}'
	done
	[ "$(ls "$(root n1)/backup" | wc -l)" = 10 ]
	grep -q 11h "$(root n1)/backup/$(ls "$(root n1)/backup" | tail -n 1)"
}
