{{/* The settings file, read: what the chart needs of it, and what must not stand in it. */}}

{{/* As JSON. */}}
{{- define "millrace.settings" -}}
{{- $settings := fromToml .Values.settings -}}
{{- if hasKey $settings "Error" -}}
  {{- fail (printf "settings: %s" $settings.Error) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{/* Whatever of the values cannot be meant, by name. */}}
{{- define "millrace.check" -}}
{{- $settings := include "millrace.settings" . | fromJson -}}
{{- $secret := "is a secret, and settings go into a ConfigMap: use %s" -}}
{{- $decided := "is decided by the cluster: %s" -}}
{{- $elsewhere := list
  (list "database.url" (printf $secret "database.existingSecret"))
  (list "erp.client_secret" (printf $secret "erp.existingSecret"))
  (list "personal.key" (printf $secret "personal.existingSecret"))
  (list "services.token" (printf $secret "serviceToken.existingSecret"))
  (list "bus.kind" (printf $decided "it is Kafka"))
  (list "bus.kafka.bootstrap" (printf $decided "use kafka.bootstrap"))
  (list "grpc.listen" (printf $decided "gRPC has port 50051"))
  (list "grpc.tls.certificate" (printf $decided "use grpc.tlsSecret"))
  (list "database.ca" (printf $decided "use database.caSecret"))
  (list "http.listen" (printf $decided "JSON over HTTP has port 8081"))
  (list "monitoring.listen" (printf $decided "health and metrics have port 9464"))
  (list "hooks.listen" (printf $decided "webhooks have port 7090"))
  (list "services.customer_sync" (printf $decided "order-intake finds it by itself"))
  (list "erp.webhooks.public_address" (printf $decided "use hooks.domain"))
  (list "telemetry.format" (printf $decided "it is json"))
  (list "drain" (printf $decided "use drainSeconds"))
-}}
{{- range $elsewhere -}}
  {{- $found := $settings -}}
  {{- range splitList "." (first .) -}}
    {{- if kindIs "map" $found }}{{ $found = get $found . }}{{ else }}{{ $found = "" }}{{ end -}}
  {{- end -}}
  {{- if $found -}}
    {{- fail (printf "settings: %s %s" (first .) (last .)) -}}
  {{- end -}}
{{- end -}}
{{- if include "millrace.librdkafka" (list . "sasl.password") -}}
  {{- fail (printf "settings: sasl.password %s" (printf $secret "kafka.existingSecret")) -}}
{{- end -}}
{{- range $settings.tokens -}}
  {{- if .token -}}
    {{- fail (printf "settings: the token of %s %s" (.name | default "a caller") (printf $secret "sha256 instead of token")) -}}
  {{- end -}}
{{- end -}}
{{- range $key := list "ssl.key.password" "ssl.key.pem" "ssl.keystore.password" "sasl.oauthbearer.client.secret" -}}
  {{- if include "millrace.librdkafka" (list $ $key) -}}
    {{- fail (printf "settings: %s is a secret, and settings go into a ConfigMap: the chart has no place for it so far" $key) -}}
  {{- end -}}
{{- end -}}
{{- range dig "shop_delivery" "channels" list $settings -}}
  {{- range .doorbells -}}
    {{- if .secrets -}}
      {{- fail (printf "settings: what doorbell %s signs with %s" .name (printf $secret "doorbells.existingSecret, and secret_files = [\"/run/secrets/doorbells/KEY\"]")) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if not $settings.erp -}}
  {{- fail "settings: [erp] is missing: say where Business Central is (millrace config defaults shows how)" -}}
{{- end -}}
{{- if not $settings.channels -}}
  {{- fail "settings: [[channels]] is missing: describe at least one webshop (millrace config defaults shows how)" -}}
{{- end -}}
{{- if not .Values.kafka.bootstrap -}}
  {{- fail "kafka.bootstrap is empty: name at least one broker, e.g. kafka:9092" -}}
{{- end -}}
{{- if not .Values.personal.existingSecret -}}
  {{- fail "personal.existingSecret is empty: name the Secret with the key that wraps the keys of all persons" -}}
{{- end -}}
{{- if not .Values.serviceToken.existingSecret -}}
  {{- fail "serviceToken.existingSecret is empty: name the Secret with the token that services show each other" -}}
{{- end -}}
{{- if and (or .Values.strimzi.topics.enabled .Values.strimzi.users.enabled) (not .Values.strimzi.cluster) -}}
  {{- fail "strimzi.cluster is empty: name the Kafka cluster that topics and users belong to" -}}
{{- end -}}
{{- if and .Values.strimzi.users.enabled (not .Values.strimzi.topics.enabled) -}}
  {{- fail "strimzi.users goes with strimzi.topics: the user of a service may not make topics" -}}
{{- end -}}
{{- $services := include "millrace.services" . | fromJson -}}
{{- range $name, $service := $services -}}
  {{- if not (include "millrace.databaseSecret" (list $ $service)) -}}
    {{- fail (printf "database.existingSecret is empty: name the Secret with the database's address for %s" $name) -}}
  {{- end -}}
  {{- if not (include "millrace.erpSecret" (list $ $service)) -}}
    {{- fail (printf "erp.existingSecret is empty: name the Secret of the Entra application for %s" $name) -}}
  {{- end -}}
  {{- $protocol := include "millrace.librdkafka" (list $ "security.protocol") | default "plaintext" -}}
  {{- $protocol = get $service.env "MILLRACE_BUS__KAFKA__LIBRDKAFKA__SECURITY_PROTOCOL" | default $protocol | lower -}}
  {{- if and $.Values.kafka.caSecret (not (hasSuffix "ssl" $protocol)) -}}
    {{- fail (printf "kafka.caSecret: %s speaks %s with Kafka, and would check nothing: settings need [bus.kafka.librdkafka] \"security.protocol\" = \"ssl\" or \"sasl_ssl\"" $name $protocol) -}}
  {{- end -}}
  {{- if and (include "millrace.kafkaSecret" (list $ $name $service)) (not (hasPrefix "sasl" $protocol)) -}}
    {{- fail (printf "kafka: %s has a password, but speaks %s and would not show it: settings need [bus.kafka.librdkafka] \"security.protocol\" = \"sasl_ssl\" or \"sasl_plaintext\"" $name $protocol) -}}
  {{- end -}}
  {{- if lt (int $service.autoscaling.maxReplicas) (int $service.autoscaling.minReplicas) -}}
    {{- fail (printf "services.%s.autoscaling: maxReplicas is less than minReplicas" $name) -}}
  {{- end -}}
{{- end -}}
{{- if and (hasKey $services "order-intake") (not (hasKey $services "customer-sync")) -}}
  {{- fail "services.customer-sync.enabled is false, but order-intake calls it" -}}
{{- end -}}
{{- end }}

{{/* The codes of the channels, as a JSON list. */}}
{{- define "millrace.channels" -}}
{{- $codes := list -}}
{{- range (include "millrace.settings" . | fromJson).channels -}}
  {{- $codes = append $codes (required "settings: a channel has no code" .code) -}}
{{- end -}}
{{- toJson $codes -}}
{{- end }}

{{/* What stands before every topic, group and transactional id. */}}
{{- define "millrace.prefix" -}}
{{- dig "bus" "kafka" "prefix" "millrace." (include "millrace.settings" . | fromJson) -}}
{{- end }}

{{/* (list $ "sasl.mechanism"): what librdkafka is told; `_` may stand for `.`. */}}
{{- define "millrace.librdkafka" -}}
{{- range $key, $value := dig "bus" "kafka" "librdkafka" dict (include "millrace.settings" (index . 0) | fromJson) -}}
  {{- if eq (replace "_" "." $key) (index $ 1) }}{{ $value }}{{ end -}}
{{- end -}}
{{- end }}
