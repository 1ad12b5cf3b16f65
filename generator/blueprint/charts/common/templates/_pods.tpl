{{- /*
Pieces of pods.
*/ -}}

{{- /*
common.image: the address of an image.
  context  the root context (global.imageRegistry stands before every repository)
  image    {repository, tag, digest}
  default  {repository, tag, digest}: for what the image leaves empty. Its digest belongs to its own repository and tag and holds only
           where neither is replaced.
*/ -}}
{{- define "common.image" -}}
{{- $image := default dict .image -}}
{{- $default := default dict .default -}}
{{- $repository := default $default.repository $image.repository -}}
{{- $tag := default $default.tag $image.tag -}}
{{- $digest := default "" $image.digest -}}
{{- if and (not $digest) (eq $repository (default "" $default.repository)) (eq (toString $tag) (toString (default "" $default.tag))) -}}
{{- $digest = default "" $default.digest -}}
{{- end -}}
{{- with .context.Values.global.imageRegistry -}}{{ trimSuffix "/" . }}/{{- end -}}
{{- $repository -}}:{{- $tag -}}
{{- with $digest -}}@{{ . }}{{- end -}}
{{- end -}}

{{- /*
common.podSecurityContext: what Pod Security `restricted` asks of a pod.
  uid      numeric user
  gid      numeric group (the uid)
  fsGroup  group that owns the volumes (left out: nothing is changed)
*/ -}}
{{- define "common.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ int .uid }}
runAsGroup: {{ int (default .uid .gid) }}
{{- with .fsGroup }}
fsGroup: {{ int . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
# Connections to a machine that lost power end after 25 s. Otherwise a gRPC client holds on to its one connection, and every call on it
# hangs, for a quarter of an hour. All three are safe sysctls, which `restricted` allows.
sysctls:
  - {name: net.ipv4.tcp_keepalive_time, value: "10"}
  - {name: net.ipv4.tcp_keepalive_intvl, value: "5"}
  - {name: net.ipv4.tcp_keepalive_probes, value: "3"}
{{- end -}}

{{- /*
common.containerSecurityContext: what `restricted` asks of a container, and a root file system that nobody writes.
*/ -}}
{{- define "common.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /*
common.dnsConfig: short time-outs and no search list; the reasons stand beside `global.dns` in the values.
  context  the root context
*/ -}}
{{- define "common.dnsConfig" -}}
options:
  - name: ndots
    value: {{ .context.Values.global.dns.ndots | quote }}
  - name: timeout
    value: {{ .context.Values.global.dns.timeout | quote }}
  - name: attempts
    value: {{ .context.Values.global.dns.attempts | quote }}
{{- end -}}

{{- /*
common.pullSecrets: the lines `imagePullSecrets: …` of a pod, or nothing.
  context  the root context
*/ -}}
{{- define "common.pullSecrets" -}}
{{- with .context.Values.global.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /*
common.podDefaults: the lines that every pod's spec has: account, token, service links, DNS, pull secrets, security.
  context            the root context
  serviceAccount     name as common.name takes it
  token              true where the pod speaks to the Kubernetes API
  uid, gid, fsGroup  as in common.podSecurityContext
*/ -}}
{{- define "common.podDefaults" -}}
serviceAccountName: {{ include "common.name" (dict "context" .context "name" .serviceAccount) }}
automountServiceAccountToken: {{ default false .token }}
enableServiceLinks: false
securityContext:
  {{- include "common.podSecurityContext" . | nindent 2 }}
dnsConfig:
  {{- include "common.dnsConfig" . | nindent 2 }}
{{- with include "common.pullSecrets" . }}
{{ . }}
{{- end }}
{{- end -}}

{{- /*
common.tokenVolume: a volume with the account's token and the cluster's CA, as Kubernetes would mount it, but readable for the group and only where a
container mounts it (at /var/run/secrets/kubernetes.io/serviceaccount).
  name  the volume's name
*/ -}}
{{- define "common.tokenVolume" -}}
name: {{ .name }}
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3600}
    - configMap:
        name: kube-root-ca.crt
        items: [{key: ca.crt, path: ca.crt}]
{{- end -}}

{{- /*
common.spread: how the pods of one component are kept apart, as lines of a pod's spec.
  context, component  as in common.selectorLabels
  scheduling          {spread}: host = never two on one node, preferHost = rather not, none
  rolling             true for a Deployment: a new revision does not count the old one's pods, so that a rolling update with a surge finds room
Zones are spread over wherever the nodes have any.
*/ -}}
{{- define "common.spread" -}}
{{- $selector := include "common.selectorLabels" . -}}
{{- $spread := .scheduling.spread -}}
{{- if eq $spread "host" }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- $selector | nindent 12 }}
        {{- if .rolling }}
        matchLabelKeys: [pod-template-hash]
        {{- end }}
{{- end }}
{{- if ne $spread "none" }}
topologySpreadConstraints:
  {{- range $key := ternary (list "topology.kubernetes.io/zone") (list "topology.kubernetes.io/zone" "kubernetes.io/hostname") (eq $spread "host") }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    {{- if $.rolling }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /*
common.scheduling: common.spread with the node selector and the tolerations.
  as common.spread; scheduling {nodeSelector, tolerations, spread}
*/ -}}
{{- define "common.scheduling" -}}
{{- with .scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "common.spread" . }}
{{- end -}}

{{- /*
common.resources: the lines of `resources:`.
  resources  {requests: {cpu, memory}, limits: {memory}}
*/ -}}
{{- define "common.resources" -}}
{{- toYaml .resources -}}
{{- end -}}

{{- /*
common.probes: the three probes of a container, with the platform's timing.
  startup, readiness, liveness  each the handler as an object: (dict "httpGet" …), (dict "exec" …), (dict "tcpSocket" …)
  startupSeconds                how long the container may take to start (300)
  timeoutSeconds                how long one answer may take (3)
Liveness is patient (about a minute): a busy computer is no reason to lose a process that works.
*/ -}}
{{- define "common.probes" -}}
{{- $timeout := int (default 3 .timeoutSeconds) -}}
startupProbe:
  {{- toYaml .startup | nindent 2 }}
  periodSeconds: 3
  timeoutSeconds: {{ $timeout }}
  failureThreshold: {{ int (div (int (default 300 .startupSeconds)) 3) }}
readinessProbe:
  {{- toYaml .readiness | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: {{ $timeout }}
  failureThreshold: 2
livenessProbe:
  {{- toYaml .liveness | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: {{ max $timeout 5 }}
  failureThreshold: 6
{{- end -}}

{{- /*
common.replicas: how many pods of what works on the stores' data: none while a restore brings that back, for they would write into the empty stores.
  context   the root context
  replicas  otherwise
*/ -}}
{{- define "common.replicas" -}}
{{- ternary 0 (int .replicas) .context.Values.global.restoring -}}
{{- end -}}
