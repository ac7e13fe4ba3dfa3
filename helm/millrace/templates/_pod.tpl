{{/* What the pods of services and of their migrations have in common. */}}

{{/* (list $ service) */}}
{{- define "millrace.databaseSecret" -}}
{{- $root := index . 0 -}}
{{- $own := (index . 1).database.existingSecret | default $root.Values.database.existingSecret -}}
{{- if $own }}{{ $own }}{{ else if $root.Values.cnpg.enabled }}{{ include "millrace.fullname" $root }}-db-app{{ end -}}
{{- end }}

{{- define "millrace.databaseKey" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- if or $service.database.existingSecret $root.Values.database.existingSecret -}}
  {{- $service.database.key | default $root.Values.database.key | default "url" -}}
{{- else }}uri{{ end -}}
{{- end }}

{{- define "millrace.erpSecret" -}}
{{- (index . 1).erp.existingSecret | default (index . 0).Values.erp.existingSecret -}}
{{- end }}

{{/* (list $ name service), with the name of the service's KafkaUser where it has one. */}}
{{- define "millrace.kafkaSecret" -}}
{{- $root := index . 0 -}}
{{- $own := (index . 2).kafka.existingSecret | default $root.Values.kafka.existingSecret -}}
{{- if $own }}{{ $own }}{{ else if $root.Values.strimzi.users.enabled }}{{ include "millrace.name" (list $root (index . 1)) }}{{ end -}}
{{- end }}

{{- define "millrace.hasKafkaUser" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.strimzi.users.enabled (not ((index . 2).kafka.existingSecret | default $root.Values.kafka.existingSecret)) }}true{{ end -}}
{{- end }}

{{/* (list $ name service): environment of the container. Secrets come from files, so that nobody who may look at pods sees them. */}}
{{- define "millrace.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $service := index . 2 -}}
{{- $secrets := "/run/secrets/millrace" -}}
{{- $env := dict
  "MILLRACE_CONFIG" "/etc/millrace/millrace.toml"
  "MILLRACE_TELEMETRY__FORMAT" "json"
  "MILLRACE_DRAIN" (printf "%ds" (int $root.Values.drainSeconds))
  "MILLRACE_GRPC__LISTEN" "0.0.0.0:50051"
  "MILLRACE_HTTP__LISTEN" "0.0.0.0:8081"
  "MILLRACE_MONITORING__LISTEN" "0.0.0.0:9464"
  "MILLRACE_BUS__KIND" "kafka"
  "MILLRACE_BUS__KAFKA__BOOTSTRAP" $root.Values.kafka.bootstrap
  "MILLRACE_SERVICES__CUSTOMER_SYNC" (printf "http://%s:50051" (include "millrace.name" (list $root "customer-sync")))
  "MILLRACE_SERVICES__TOKEN_FILE" (printf "%s/service-token" $secrets)
  "MILLRACE_PERSONAL__KEY_FILE" (printf "%s/personal-key" $secrets)
  "MILLRACE_DATABASE__URL_FILE" (printf "%s/database-url" $secrets)
  "MILLRACE_ERP__CLIENT_SECRET_FILE" (printf "%s/erp-client-secret" $secrets)
-}}
{{- if $root.Values.erp.clientIdKey -}}
  {{- $_ := set $env "MILLRACE_ERP__CLIENT_ID_FILE" (printf "%s/erp-client-id" $secrets) -}}
{{- end -}}
{{- if include "millrace.kafkaSecret" . -}}
  {{- $_ := set $env "MILLRACE_BUS__KAFKA__LIBRDKAFKA__SASL_PASSWORD_FILE" (printf "%s/kafka-password" $secrets) -}}
  {{- if include "millrace.hasKafkaUser" . -}}
    {{- $_ := set $env "MILLRACE_BUS__KAFKA__LIBRDKAFKA__SASL_USERNAME" (include "millrace.name" (list $root $name)) -}}
  {{- else -}}
    {{- $_ := set $env "MILLRACE_BUS__KAFKA__LIBRDKAFKA__SASL_USERNAME_FILE" (printf "%s/kafka-username" $secrets) -}}
  {{- end -}}
{{- end -}}
{{- if $root.Values.database.caSecret -}}
  {{- $_ := set $env "MILLRACE_DATABASE__CA" (printf "%s/database-ca" $secrets) -}}
{{- end -}}
{{- if $root.Values.kafka.caSecret -}}
  {{- $_ := set $env "MILLRACE_BUS__KAFKA__LIBRDKAFKA__SSL_CA_LOCATION" (printf "%s/kafka-ca" $secrets) -}}
{{- end -}}
{{- if $root.Values.grpc.tlsSecret -}}
  {{- range $part, $file := dict "CERTIFICATE" "grpc-certificate" "KEY" "grpc-key" -}}
    {{- $_ := set $env (printf "MILLRACE_GRPC__TLS__%s" $part) (printf "%s/%s" $secrets $file) -}}
    {{- $_ := set $env (printf "MILLRACE_SERVICES__TLS__%s" $part) (printf "%s/%s" $secrets $file) -}}
  {{- end -}}
  {{- $_ := set $env "MILLRACE_SERVICES__TLS__CA" (printf "%s/grpc-ca" $secrets) -}}
  {{- $_ := set $env "MILLRACE_SERVICES__CUSTOMER_SYNC" (printf "https://%s:50051" (include "millrace.name" (list $root "customer-sync"))) -}}
  {{- if $root.Values.grpc.clientCertificates -}}
    {{- $_ := set $env "MILLRACE_GRPC__TLS__CLIENT_CA" (printf "%s/grpc-ca" $secrets) -}}
  {{- end -}}
{{- end -}}
{{- if and $root.Values.hooks.enabled (include "millrace.isHooked" $name) -}}
  {{- $_ := set $env "MILLRACE_HOOKS__LISTEN" "0.0.0.0:7090" -}}
  {{- $_ := set $env "MILLRACE_ERP__WEBHOOKS__PUBLIC_ADDRESS" (printf "https://%s.%s/hooks" $name $root.Values.hooks.domain) -}}
{{- end -}}
{{- range $key, $value := $service.env }}{{ $_ := set $env $key $value }}{{ end -}}
{{- $list := list -}}
{{- range $key, $value := $env }}{{ $list = append $list (dict "name" $key "value" $value) }}{{ end -}}
{{- toYaml $list -}}
{{- end }}

{{/* (list $ name service configMap): volumes of the pod. */}}
{{- define "millrace.volumes" -}}
{{- $root := index . 0 -}}
{{- $service := index . 2 -}}
{{- $of := list $root (index . 1) $service -}}
- name: settings
  configMap:
    name: {{ index . 3 }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "millrace.databaseSecret" (list $root $service) }}
          items:
            - key: {{ include "millrace.databaseKey" (list $root $service) }}
              path: database-url
      - secret:
          name: {{ include "millrace.erpSecret" (list $root $service) }}
          items:
            - key: {{ $root.Values.erp.clientSecretKey }}
              path: erp-client-secret
            {{- with $root.Values.erp.clientIdKey }}
            - key: {{ . }}
              path: erp-client-id
            {{- end }}
      - secret:
          name: {{ $root.Values.personal.existingSecret }}
          items:
            - key: {{ $root.Values.personal.key }}
              path: personal-key
      - secret:
          name: {{ $root.Values.serviceToken.existingSecret }}
          items:
            - key: {{ $root.Values.serviceToken.key }}
              path: service-token
      {{- with include "millrace.kafkaSecret" $of }}
      - secret:
          name: {{ . }}
          items:
            {{- if include "millrace.hasKafkaUser" $of }}
            - key: password
              path: kafka-password
            {{- else }}
            - key: {{ $root.Values.kafka.usernameKey }}
              path: kafka-username
            - key: {{ $root.Values.kafka.passwordKey }}
              path: kafka-password
            {{- end }}
      {{- end }}
      {{- with $root.Values.database.caSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: {{ $root.Values.database.caKey }}
              path: database-ca
      {{- end }}
      {{- with $root.Values.kafka.caSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: {{ $root.Values.kafka.caKey }}
              path: kafka-ca
      {{- end }}
      {{- with $root.Values.grpc.tlsSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: tls.crt
              path: grpc-certificate
            - key: tls.key
              path: grpc-key
            - key: ca.crt
              path: grpc-ca
      {{- end }}
{{- if include "millrace.ringsBells" $of }}
- name: doorbells
  secret:
    secretName: {{ $root.Values.doorbells.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/* (list $ name): whether the pod needs the secrets of doorbells. */}}
{{- define "millrace.ringsBells" -}}
{{- if and (eq (index . 1) "shop-delivery") (index . 0).Values.doorbells.existingSecret }}yes{{ end -}}
{{- end }}

{{/* (list $ name) */}}
{{- define "millrace.mounts" -}}
- name: settings
  mountPath: /etc/millrace
  readOnly: true
- name: secrets
  mountPath: /run/secrets/millrace
  readOnly: true
{{- if include "millrace.ringsBells" . }}
- name: doorbells
  mountPath: /run/secrets/doorbells
  readOnly: true
{{- end }}
{{- end }}

{{/* The restricted pod standard, and whatever else makes a pod no stepping stone. */}}
{{- define "millrace.podSecurity" -}}
automountServiceAccountToken: false
# Kubernetes would tell of every Service in variables that begin with MILLRACE_, which Millrace takes for settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "millrace.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
