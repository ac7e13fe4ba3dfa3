{{/* Topics and users as Strimzi's operators know them. */}}

{{/* (list $ kind apiName component): the head of a resource. */}}
{{- define "millrace.strimziHead" -}}
{{- $root := index . 0 -}}
---
apiVersion: kafka.strimzi.io/v1
kind: {{ index . 1 }}
metadata:
  name: {{ index . 2 }}
  {{- with $root.Values.strimzi.namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    strimzi.io/cluster: {{ $root.Values.strimzi.cluster }}
    {{- include "millrace.labels" (list $root (index . 3)) | nindent 4 }}
{{- end }}

{{/* (list $ "shop.furniture.items" topic): as `millrace migrate` makes it. */}}
{{- define "millrace.topic" -}}
{{- $root := index . 0 -}}
{{- $full := printf "%s%s" (include "millrace.prefix" $root) (index . 1) -}}
{{- $topic := index . 2 -}}
{{- $kafka := dig "bus" "kafka" dict (include "millrace.settings" $root | fromJson) -}}
{{- $own := dig "topics" $topic.name dict $kafka -}}
{{ include "millrace.strimziHead" (list $root "KafkaTopic" (include "millrace.kafkaName" $full) "topics") }}
  annotations:
    # Records outlive the release.
    helm.sh/resource-policy: keep
spec:
  topicName: {{ $full }}
  partitions: {{ int $topic.partitions }}
  {{- with $own.replication | default $kafka.replication }}
  replicas: {{ int . }}
  {{- end }}
  config:
    max.message.bytes: {{ add (int ($kafka.max_record_bytes | default 1000000)) 65536 }}
    {{- if eq $topic.kind "state" }}
    cleanup.policy: compact
    delete.retention.ms: 2592000000
    {{- else }}
    cleanup.policy: delete
    retention.ms: {{ mul (int ($own.retention_seconds | default $topic.retention_seconds)) 1000 }}
    {{- end }}
{{- end }}

{{/* (list $ "relay.order-intake"): where a relay keeps how far it has come. */}}
{{- define "millrace.relayTopic" -}}
{{- $root := index . 0 -}}
{{- $full := printf "%s%s" (include "millrace.prefix" $root) (index . 1) -}}
{{ include "millrace.strimziHead" (list $root "KafkaTopic" (include "millrace.kafkaName" $full) "topics") }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  topicName: {{ $full }}
  partitions: 1
  {{- with dig "bus" "kafka" "replication" "" (include "millrace.settings" $root | fromJson) }}
  replicas: {{ int . }}
  {{- end }}
  config:
    cleanup.policy: compact
    segment.bytes: 1048576
    min.cleanable.dirty.ratio: 0.1
{{- end }}

{{/* A Kubernetes name for a topic or user of Kafka. */}}
{{- define "millrace.kafkaName" -}}
{{- lower . | replace "_" "-" | trunc 253 | trimAll "-." -}}
{{- end }}

{{/* (dict "type" "topic" "name" "millrace.items" "operations" (list "Read")): one right; "patternType" may be "prefix". */}}
{{- define "millrace.acl" -}}
- resource:
    type: {{ .type }}
    name: {{ .name }}
    patternType: {{ .patternType | default "literal" }}
  operations: {{ .operations | toJson }}
{{- end }}
