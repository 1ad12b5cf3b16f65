{{- /* What more than one template of this chart says. */ -}}

{{- /*
kafka.statefulset: the name of the StatefulSet of a component, which the names of its pods begin with.
  context    the chart's context
  component  broker, controller
*/ -}}
{{- define "kafka.statefulset" -}}
{{- include "common.name" (dict "context" .context "name" (ternary "kafka" "kafka-controllers" (eq .component "broker")) "max" 52) -}}
{{- end -}}

{{- /*
kafka.headless: the name of the headless Service of a component, without the release.
  . broker, controller
*/ -}}
{{- define "kafka.headless" -}}
{{- ternary "kafka-nodes" "kafka-controllers" (eq . "broker") -}}
{{- end -}}

{{- /* kafka.voters: how many nodes vote. */ -}}
{{- define "kafka.voters" -}}
{{- $brokers := int .Values.replicas -}}
{{- default (ternary 3 1 (or .Values.controllers.separate (ge $brokers 3))) .Values.controllers.replicas -}}
{{- end -}}

{{- /* kafka.firstController: the node.id of the first of the separate controllers. */ -}}
{{- define "kafka.firstController" -}}1000{{- end -}}

{{- /* kafka.quorum: the voters as ID@HOST,…: the first brokers, or the separate controllers. */ -}}
{{- define "kafka.quorum" -}}
{{- $component := ternary "controller" "broker" .Values.controllers.separate -}}
{{- $first := ternary (include "kafka.firstController" . | int) 0 .Values.controllers.separate -}}
{{- $host := include "common.host" (dict "context" . "name" (include "kafka.headless" $component) "dot" false) -}}
{{- $name := include "kafka.statefulset" (dict "context" . "component" $component) -}}
{{- $voters := list -}}
{{- range $ordinal := until (int (include "kafka.voters" .)) -}}
{{- $voters = append $voters (printf "%d@%s-%d.%s" (add $first $ordinal) $name $ordinal $host) -}}
{{- end -}}
{{- join "," $voters -}}
{{- end -}}

{{- /* kafka.listeners: the brokers' own listeners, NAME:PORT,…. */ -}}
{{- define "kafka.listeners" -}}
INTERNAL:9091,{{ if .Values.plaintext.enabled }}PLAINTEXT:9092,{{ end }}SCRAM:9094
{{- end -}}

{{- /* kafka.copies: of how many brokers each topic is kept by. */ -}}
{{- define "kafka.copies" -}}
{{- min 3 (int .Values.replicas) -}}
{{- end -}}

{{- /* kafka.inSync: how many of them must have a record before it is acknowledged. */ -}}
{{- define "kafka.inSync" -}}
{{- ternary 2 1 (ge (include "kafka.copies" . | int) 3) -}}
{{- end -}}

{{- /* kafka.commonName: who the members are to one another: the name in their certificate, as the Secrets Job cuts it. */ -}}
{{- define "kafka.commonName" -}}
{{- include "common.host" (dict "context" . "name" "kafka" "dot" false) | trunc 64 -}}
{{- end -}}

{{- /* kafka.options: the text of server.properties. What stands later wins. */ -}}
{{- define "kafka.options" -}}
{{- $copies := include "kafka.copies" . -}}
{{- $inSync := include "kafka.inSync" . -}}
{{ .Files.Get "files/server.properties" }}
# From the values.
super.users=User:{{ include "kafka.commonName" . }};User:admin
default.replication.factor={{ $copies }}
min.insync.replicas={{ $inSync }}
offsets.topic.replication.factor={{ $copies }}
transaction.state.log.replication.factor={{ $copies }}
transaction.state.log.min.isr={{ $inSync }}
share.coordinator.state.topic.replication.factor={{ $copies }}
share.coordinator.state.topic.min.isr={{ $inSync }}
{{- range $name, $value := .Values.config }}
{{ $name }}={{ if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ $value }}{{ end }}
{{- end }}
{{ end -}}

{{- /*
kafka.claims: the names of the volumes' claims, a YAML list.
*/ -}}
{{- define "kafka.claims" -}}
{{- range $ordinal := until (int .Values.replicas) }}
- data-{{ include "kafka.statefulset" (dict "context" $ "component" "broker") }}-{{ $ordinal }}
{{- end }}
{{- if .Values.controllers.separate }}
{{- range $ordinal := until (int (include "kafka.voters" .)) }}
- data-{{ include "kafka.statefulset" (dict "context" $ "component" "controller") }}-{{ $ordinal }}
{{- end }}
{{- end }}
{{- end -}}

{{- /*
kafka.secrets: what the cluster needs from the Secrets Job. The cluster's id lies in the volumes; passwords are taken over when they change.
  context  the chart's context
*/ -}}
{{- define "kafka.secrets" -}}
{{- $root := .context -}}
- name: {{ include "common.name" (dict "context" $root "name" "kafka") }}
  keys:
    # Kafka's own ids are 22 letters, digits, - and _; these are some of them.
    cluster-id: {random: 22}
    admin-password: {random: 32, rotatable: true}
    custos-password: {random: 32, rotatable: true}
  volumes:
    {{- include "kafka.claims" $root | nindent 4 }}
- name: {{ include "common.name" (dict "context" $root "name" "kafka-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ include "common.host" (dict "context" $root "name" "kafka" "dot" false) }}
    dnsNames:
      - {{ include "common.host" (dict "context" $root "name" "kafka" "dot" false) }}
      {{- range list "broker" "controller" }}
      - "*.{{ include "common.host" (dict "context" $root "name" (include "kafka.headless" .) "dot" false) }}"
      {{- end }}
{{- end -}}

{{- /*
kafka.node: the StatefulSet of one component.
  context      the chart's context
  component    broker, controller
  roles        Kafka's roles, comma between
  replicas     how many
  first        node.id of the first
  resources, heap, persistence
*/ -}}
{{- define "kafka.node" -}}
{{- $root := .context -}}
{{- $broker := eq .component "broker" -}}
{{- $of := dict "context" $root "name" (ternary "kafka" "kafka-controllers" $broker) "component" .component -}}
{{- $headless := include "kafka.headless" .component -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "common.metadata" (merge (dict "max" 52) $of) | nindent 2 }}
spec:
  serviceName: {{ include "common.name" (dict "context" $root "name" $headless) }}
  replicas: {{ .replicas }}
  # All at once: members wait for one another.
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "common.selectorLabels" $of | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" $of | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: kafka
        checksum/options: {{ include "kafka.options" $root | sha256sum }}
        checksum/program: {{ $root.Files.Get "files/kafka-node.jar" | sha256sum }}
    spec:
      {{- include "common.podDefaults" (dict "context" $root "serviceAccount" "kafka" "token" false "uid" 1000 "fsGroup" 1000) | nindent 6 }}
      {{- include "common.scheduling" (merge (dict "scheduling" $root.Values.scheduling) $of) | nindent 6 }}
      # Waiting until the others have caught up (at most 240 s), handing over, and a clean end of the logs.
      terminationGracePeriodSeconds: 300
      containers:
        - name: kafka
          image: {{ include "common.image" (dict "context" $root "image" $root.Values.image) }}
          imagePullPolicy: {{ $root.Values.global.imagePullPolicy }}
          # Java itself is process 1: it gets the signals, and its end is the container's.
          command:
            - java
            - -Xms{{ .heap }}
            - -Xmx{{ .heap }}
            {{- range splitList " " $root.Values.javaOptions | compact }}
            - {{ . }}
            {{- end }}
            - -XX:+ExitOnOutOfMemoryError
            - -Djava.awt.headless=true
            - -Dlog4j2.configurationFile=/etc/custos/config/log4j2.properties
            - -cp
            - /opt/kafka/libs/*:/custos/program/kafka-node.jar
            - custos.kafka.Node
            - /etc/custos/config/server.properties
          env:
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: POD_HOST
              value: $(POD_NAME).{{ include "common.host" (dict "context" $root "name" $headless "dot" false) }}
            - {name: FIRST_ID, value: {{ .first | quote }}}
            - {name: ROLES, value: {{ .roles | quote }}}
            - {name: LISTENERS, value: {{ include "kafka.listeners" $root | quote }}}
            - {name: VOTERS, value: {{ include "kafka.quorum" $root | quote }}}
            - {name: TLS_FOLDER, value: /etc/custos/tls}
            - {name: SECRET_FOLDER, value: /etc/custos/kafka}
            - {name: VOLUME, value: /var/lib/kafka}
          ports:
            - {name: state, containerPort: 9080}
            {{- if $broker }}
            - {name: internal, containerPort: 9091}
            {{- if $root.Values.plaintext.enabled }}
            - {name: plaintext, containerPort: 9092}
            {{- end }}
            - {name: scram, containerPort: 9094}
            {{- end }}
            {{- if contains "controller" .roles }}
            - {name: controller, containerPort: 9093}
            {{- end }}
          lifecycle:
            preStop:
              exec:
                command: [/bin/bash, /custos/program/prestop.sh, "9080", "240"]
          {{- include "common.probes" (dict "startup" (dict "httpGet" (dict "path" "/live" "port" "state")) "readiness" (dict "httpGet" (dict "path" "/ready" "port" "state")) "liveness" (dict "httpGet" (dict "path" "/live" "port" "state"))) | nindent 10 }}
          resources:
            {{- include "common.resources" (dict "resources" .resources) | nindent 12 }}
          securityContext:
            {{- include "common.containerSecurityContext" $root | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /var/lib/kafka}
            - {name: program, mountPath: /custos/program, readOnly: true}
            - {name: config, mountPath: /etc/custos/config, readOnly: true}
            - {name: secret, mountPath: /etc/custos/kafka, readOnly: true}
            - {name: tls, mountPath: /etc/custos/tls, readOnly: true}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: program
          configMap:
            name: {{ include "common.name" (dict "context" $root "name" "kafka-program") }}
        - name: config
          configMap:
            name: {{ include "common.name" (dict "context" $root "name" "kafka-options") }}
        - name: secret
          secret:
            secretName: {{ include "common.name" (dict "context" $root "name" "kafka") }}
            defaultMode: 0440
        - name: tls
          secret:
            secretName: {{ include "common.name" (dict "context" $root "name" "kafka-tls") }}
            defaultMode: 0440
        - name: tmp
          emptyDir: {}
  volumeClaimTemplates:
    - {{- include "common.volumeClaim" (merge (dict "name" "data" "persistence" .persistence) (omit $of "name")) | nindent 6 }}
{{- end -}}

{{- /*
kafka.checks: what `helm test` asks of the Service: the port with logins, and the one without where it is open.
  context  the chart's context
*/ -}}
{{- define "kafka.checks" -}}
{{- $host := include "common.host" (dict "context" .context "name" "kafka") -}}
- service: kafka
  tcp:
    {{- range ternary (list 9092 9094) (list 9094) .context.Values.plaintext.enabled }}
    - {{ $host }}:{{ . }}
    {{- end }}
{{- end -}}
