#!/usr/bin/env bats
# Jobs: what takes longer than a request may, on real nodes.

load node.bash

start_nodes()
{
	node_start n1
	ok n1 '{"operation":"create_database","database":"dev"}'
}

# ---- helpers ----

job()		# job NODE JSON [USER:PASSWORD]: starts one; $id
{
	op "$1" "$2"
	[ "$code" = 200 ] || {
		echo "$1: $2 gave $code: $body"
		return 1
	}
	id=$(jq -r .job_id <<<"$body")
}

ended()		# ended NODE ID
{
	ask "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" |
	    jq -e '.[0].status | . == "COMPLETE" or . == "ERROR"'
}

done_job()	# done_job NODE JSON [JQ]: starts one, waits; $row holds it
{
	job "$1" "$2" || return 1
	wait_until 60 ended "$1" "$id" || return 1
	row=$(ask "$1" "{\"operation\":\"get_job\",\"id\":\"$id\"}" | jq -c '.[0]')
	jq -e "${3:-.status == \"COMPLETE\"}" <<<"$row" >/dev/null || {
		echo "$2 ended as $row, wanted ${3:-COMPLETE}"
		return 1
	}
}

# ---- the room ----

@test "a job answers with its id, ends, and says so" {
	make_table n1 aud
	insert n1 aud '{"id":1},{"id":2}'
	insert n1 aud '{"id":3}'
	job n1 "{\"operation\":\"delete_audit_logs_before\",\"database\":\"dev\",\"table\":\"aud\",\"timestamp\":$(date +%s)999}"
	[ "$(jq -r '.message | split(" ")[4]' <<<"$body")" = "$id" ]
	wait_until 20 ended n1 "$id"
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$id\"}" 'length == 1 and (.[0] |
	    .id == "'"$id"'" and .user == "admin" and .type == "delete_audit_logs_before" and
	    .status == "COMPLETE" and .created_datetime <= .start_datetime and
	    .start_datetime <= .end_datetime and (has("request") | not) and
	    (.message | contains("Successfully completed")))'
}

@test "audit entries before a time go, and are counted" {
	make_table n1 trim
	insert n1 trim '{"id":1}'
	insert n1 trim '{"id":2}'
	wait_until 5 sh -c '[ $(date +%s%3N) -gt '"$(date +%s%3N)"' ]'
	middle=$(date +%s%3N)
	insert n1 trim '{"id":3}'
	done_job n1 "{\"operation\":\"delete_audit_logs_before\",\"schema\":\"dev\",\"table\":\"trim\",\"timestamp\":$middle}" \
	    '.progress.deleted == 2'
	ok n1 '{"operation":"read_audit_log","database":"dev","table":"trim"}' 'length == 1 and .[0].hash_values == [3]'
	# what is still to come is not old
	done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim","timestamp":9999999999999}' \
	    '.progress.deleted == 1'
	insert n1 trim '{"id":4}'
	ok n1 '{"operation":"read_audit_log","database":"dev","table":"trim"}' 'length == 1'
	refused n1 400 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim"}' "'timestamp' is required"
	refused n1 400 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim","timestamp":"x"}' "must be a number"
	refused n1 404 '{"operation":"delete_audit_logs_before","database":"dev","table":"none","timestamp":1}' "does not exist"
}

@test "jobs are found by id and by date, each by whom it concerns" {
	refused n1 400 '{"operation":"get_job"}' "'id' is required"
	refused n1 400 '{"operation":"get_job","id":5}' "'id' must be a string"
	ok n1 '{"operation":"get_job","id":"nosuch"}' '. == []'
	refused n1 400 '{"operation":"search_jobs_by_start_date","from_date":"yesterday","to_date":"2030-01-01"}' \
	    "Invalid 'from' date, must be in ISO-8601 format (YYYY-MM-DD)."
	refused n1 400 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2030-02-30"}' \
	    "Invalid 'to' date, must be in ISO-8601 format (YYYY-MM-DD)."
	refused n1 400 '{"operation":"search_jobs_by_start_date"}' "'from_date' is required. 'to_date' is required"
	ok n1 "{\"operation\":\"search_jobs_by_start_date\",\"from_date\":\"$(date -u +%F)\",\"to_date\":\"$(date -u +%F)\"}" \
	    'length >= 3 and all(.[]; has("request") | not) and ([.[].start_datetime] | . == sort)'
	ok n1 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2020-02-01T10:00:00Z"}' '. == []'
	ok n1 '{"operation":"add_role","role":"plain","permission":{"dev":{"tables":{"aud":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"plain","password":"plain-secret","active":true}'
	done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}'
	HL_USER=plain HL_PASSWORD=plain-secret ok n1 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '. == []'
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2020-02-01"}' \
	    "Operation 'handleGetJobsByStartDate' is restricted to 'super_user' roles"
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}' \
	    "Operation 'deleteAuditLogsBefore' is restricted"
}
