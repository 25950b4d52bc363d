#!/usr/bin/env bats
# The operations of clustering with nodes that are named by hostname or url.

load node.bash

start_nodes()
{
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
}

routes()	# routes NODE JSON: all that it has
{
	ok "$1" '{"operation":"cluster_get_routes"}' ". == $2"
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
	    {"hostname":"wss://x","port":70000,"tls":true},{"hostname":"y","revokedCertificates":["z"]}]}' \
	    "'routes[1]' must be a host name, or a URL such as wss://server-two:9933. 'routes[2]' must be a host name, or a URL such as wss://server-two:9933. 'routes[3].hostname' or 'routes[3].url' is required. 'routes[4].hostname' must be a host name or an address. 'routes[4].port' must be an integer between 1 and 65535. 'routes[4].tls' is not allowed. 'routes[5].revokedCertificates[0]' must be a serial number in hexadecimal"
	refused n1 400 '{"operation":"cluster_delete_routes","routes":[7,{"hostname":"x:1"}]}' \
	    "'routes[0]' must be of type object. 'routes[1].hostname' must be a host name or an address"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":["server-six"]}' \
	    "'routes[0]' must be of type object"
	routes n1 '["server-five"]'
}
