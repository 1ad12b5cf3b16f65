{{- /*
Containers of the services. Every helper takes
  context   the root context
  name      the service
  service   its facts and values, as custos.services gives them
*/ -}}

{{- /*
custos.image: the image of a service: its own value, else the chart's, else the catalogue's.
*/ -}}
{{- define "custos.image" -}}
{{- $shared := .context.Values.image -}}
{{- $default := dict "repository" (default .service.image $shared.repository) "tag" $shared.tag "digest" $shared.digest -}}
{{- include "common.image" (dict "context" .context "image" .service.values.image "default" $default) -}}
{{- end -}}

{{- /*
custos.resources: the resources of a service: its own values over the chart's over the catalogue's memory.
*/ -}}
{{- define "custos.resources" -}}
{{- $memory := dict "requests" (dict "memory" .service.memory.requests) "limits" (dict "memory" .service.memory.limits) -}}
{{- $resources := dict -}}
{{- range $layer := list $memory .context.Values.resources (default dict .service.values.resources) -}}
{{- range $side, $amounts := $layer -}}
{{- range $what, $amount := $amounts -}}
{{- if $amount -}}
{{- $_ := set $resources $side (set (get $resources $side | default dict) $what $amount) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- /*
custos.waits: what must be there before a service starts, as conditions of files/wait.py. Peers and Kafka are not among them: they are called when needed.
*/ -}}
{{- define "custos.waits" -}}
{{- if .service.configClient }}
- http={{ include "custos.configUrl" . }}/{{ .service.application }}/{{ .context.Values.profile }},{{ include "custos.revision" . }}
{{- end }}
{{- if .service.mysql }}
- tcp={{ include "custos.mysqlAddress" .context }}
{{- end }}
{{- end -}}

{{- /*
custos.lenientJson: "true" where a service gets the jar that makes its client of Keycloak pass over fields that it does not know
(generator/extensions/lenient-json).
*/ -}}
{{- define "custos.lenientJson" -}}
{{- $mends := .context.Values.mends -}}
{{- if and .service.lenientJson $mends.lenientJson $mends.explicitCommand }}true{{ end -}}
{{- end -}}

{{- /* custos.waitContainer: the init container that waits, and says in its log for what; it never fails, so nothing backs off. */ -}}
{{- define "custos.waitContainer" -}}
- name: wait
  image: {{ include "common.image" (dict "context" .context "image" .context.Values.global.toolbox.image) }}
  imagePullPolicy: {{ .context.Values.global.imagePullPolicy }}
  command: [python3, -u, /scripts/wait.py]
  args:
    {{- include "custos.waits" . | trim | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 24Mi}
    limits: {memory: 64Mi}
  securityContext:
    {{- include "common.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - {name: scripts, mountPath: /scripts, readOnly: true}
{{- end -}}

{{- /*
custos.javaContainer: the service itself.

The command is ours and not the image's, whose heap nothing else can change. On a roll the pod first leaves its Service (preStop), then closes its
connections: clients keep one gRPC connection to one pod and open the next where new pods are.
*/ -}}
{{- define "custos.javaContainer" -}}
{{- $mends := .context.Values.mends -}}
- name: service
  image: {{ include "custos.image" . }}
  imagePullPolicy: {{ .context.Values.global.imagePullPolicy }}
  {{- if $mends.explicitCommand }}
  command:
    - java
    - -Xmx{{ .service.heap }}m
    {{- range splitList " " .context.Values.javaOptions | compact }}
    - {{ . | quote }}
    {{- end }}
    - -XX:+ExitOnOutOfMemoryError
    - -Djava.security.egd=file:/dev/./urandom
    {{- if include "custos.lenientJson" . }}
    # The launcher of Spring Boot that takes the jars of a folder along.
    - -Dloader.path=/ext
    - -cp
    - /app.jar
    - org.springframework.boot.loader.PropertiesLauncher
    {{- else }}
    - -jar
    - /app.jar
    {{- end }}
  {{- end }}
  env:
    {{- include "custos.env" . | trim | nindent 4 }}
  ports:
    {{- range $port, $number := .service.ports }}
    - {name: {{ $port }}, containerPort: {{ $number }}}
    {{- end }}
  {{- $liveness := dict "httpGet" (dict "path" "/actuator/health/liveness" "port" "http") -}}
  {{- $readiness := dict "httpGet" (dict "path" "/actuator/health/readiness" "port" "http") -}}
  {{- if not $mends.healthGroups -}}
  {{- /* Plain health is down with any store, which is no reason to restart: liveness only asks whether the port answers. */ -}}
  {{- $liveness = dict "tcpSocket" (dict "port" "http") -}}
  {{- $readiness = dict "httpGet" (dict "path" "/actuator/health" "port" "http") -}}
  {{- end }}
  {{- include "common.probes" (dict "startup" $liveness "readiness" $readiness "liveness" $liveness "startupSeconds" 1800) | nindent 2 }}
  lifecycle:
    preStop:
      sleep: {seconds: 10}
  resources:
    {{- include "custos.resources" . | nindent 4 }}
  securityContext:
    {{- include "common.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- range include "custos.volumes" . | fromYamlArray }}
    - {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
    {{- end }}
{{- end -}}

{{- /*
custos.sidecarContainer: Envoy beside an integration service, REST to gRPC. It stops after the service has left the endpoints, not before.
*/ -}}
{{- define "custos.sidecarContainer" -}}
{{- $shared := .context.Values.sidecarImage -}}
- name: sidecar
  image: {{ include "common.image" (dict "context" .context "image" $shared "default" (dict "repository" .service.sidecar.image)) }}
  imagePullPolicy: {{ .context.Values.global.imagePullPolicy }}
  {{- include "custos.envoy" (dict "context" .context "config" "/etc/envoy/envoy.yaml" "ports" .service.sidecar.ports "resources" .context.Values.sidecarResources) | nindent 2 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- /* custos.proxyContainer: Envoy as gRPC-web proxy, with a configuration from the catalogue instead of the one in its image. */ -}}
{{- define "custos.proxyContainer" -}}
- name: service
  image: {{ include "custos.image" . }}
  imagePullPolicy: {{ .context.Values.global.imagePullPolicy }}
  {{- include "custos.envoy" (dict "context" .context "config" "/etc/custos/proxy/envoy.yaml" "ports" .service.ports "resources" (include "custos.resources" . | fromYaml)) | nindent 2 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: proxy, mountPath: /etc/custos/proxy, readOnly: true}
{{- end -}}

{{- /*
custos.envoy: command, ports, probes and security of an Envoy container.
  context    the root context
  config     path of its configuration
  ports      name → number; `admin` answers /ready
  resources  its resources
*/ -}}
{{- define "custos.envoy" -}}
{{- $ready := dict "httpGet" (dict "path" "/ready" "port" "admin") -}}
{{- $alive := dict "tcpSocket" (dict "port" "admin") -}}
command: [/usr/local/bin/envoy, -c, {{ .config }}]
ports:
  {{- range $port, $number := .ports }}
  - {name: {{ $port }}, containerPort: {{ $number }}}
  {{- end }}
{{ include "common.probes" (dict "startup" $ready "readiness" $ready "liveness" $alive) }}
lifecycle:
  preStop:
    sleep: {seconds: 12}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "common.containerSecurityContext" . | nindent 2 }}
{{- end -}}

{{- /*
custos.volumes: what a Java service mounts besides /tmp, as a YAML list of {name, path, secret|configMap, items}.
*/ -}}
{{- define "custos.volumes" -}}
{{- $global := .context.Values.global -}}
{{- if eq .name .service.config }}
- name: configuration
  path: /etc/custos/configuration
  configMap: {{ include "common.name" (dict "context" .context "name" "custos-configuration") }}
{{- end }}
{{- if include "custos.lenientJson" . }}
- name: extension
  path: /ext
  configMap: {{ include "common.name" (dict "context" .context "name" "custos-lenient-json") }}
{{- end }}
{{- $ownTrust := or .service.vault (has "keycloak" .service.needs) (and .service.mysql (not $global.mysql.host)) }}
{{- if $ownTrust }}
- name: trust
  path: /etc/custos/trust
  secret: {{ include "custos.secretName" (dict "context" .context "purpose" "truststore") }}
  items: [truststore.p12, public.p12]
{{- end }}
{{- if and .service.mysql $global.mysql.host $global.mysql.caSecret }}
- name: mysql-trust
  path: /etc/custos/mysql-trust
  secret: {{ $global.mysql.caSecret }}
  items: [truststore.p12]
{{- end }}
{{- end -}}
