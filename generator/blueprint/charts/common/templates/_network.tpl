{{- /*
Network policies. Every pod of the release is closed both ways (the umbrella's default deny); each component opens what it needs:

  {{- include "common.networkPolicy" (dict "context" $ "name" "mysql" "component" "server"
        "ingress" (list (dict "from" (list (dict "chart" "custos")) "ports" (list 3306)))
        "egress" (list (dict "to" (list (dict "component" "server")) "ports" (list 3306)))) }}
*/ -}}

{{- /*
common.networkPolicy: the policy of one component, or nothing where global.networkPolicy.enabled is false. Look-ups (DNS) are always allowed.
  context, name, component  as in common.metadata
  ingress   list of {from: [peers], ports: [numbers, or {protocol, port} where it is not TCP]}
  egress    list of {to: [peers], ports: as above}
  api       true where the pods speak to the Kubernetes API
  annotations  for policies that are hooks
A peer is one of
  {component: X, chart: Y}  pods of this release: of one component, of one chart (the context's own where only the component is given)
  {release: true}           every pod of this release
  {test: true}              the pods of `helm test`
  {door: true}              who brings users' requests: the pods of this chart's Traefik, and what global.ingress.controllerNamespace names
  {cidr: C}                 a network
  {namespace: N, labels: {…}} pods of another namespace
  {host: H}                 a store that is not this release's: an IP address, a Service of another namespace (NAME.NAMESPACE.svc…: all pods of that
                            namespace, at any port), or another host name (any address, for policies know no names)
*/ -}}
{{- define "common.networkPolicy" -}}
{{- if .context.Values.global.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .ingress }}
  ingress:
    {{- range . }}
    - from:
        {{- range .from }}
        {{- include "common.networkPolicy.peer" (dict "context" $.context "peer" .) | nindent 8 }}
        {{- end }}
      {{- include "common.networkPolicy.ports" . | nindent 6 }}
    {{- end }}
  {{- end }}
  egress:
    {{- include "common.networkPolicy.dns" . | nindent 4 }}
    {{- if .api }}
    {{- include "common.networkPolicy.api" . | nindent 4 }}
    {{- end }}
    {{- range .egress }}
    {{- $service := false }}
    - to:
        {{- range .to }}
        {{- if include "common.networkPolicy.isService" (default "" .host) }}{{ $service = true }}{{ end }}
        {{- include "common.networkPolicy.peer" (dict "context" $.context "peer" .) | nindent 8 }}
        {{- end }}
      {{- /* Policies see the port of a Service's pods, which only its own namespace knows. */}}
      {{- if not $service }}
      {{- include "common.networkPolicy.ports" . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- end -}}
{{- end -}}

{{- /* common.networkPolicy.isService: "true" for a host that is a Service of some namespace (NAME.NAMESPACE.svc…). */ -}}
{{- define "common.networkPolicy.isService" -}}
{{- if regexMatch "^[^.]+\\.[^.]+\\.svc(\\.|$)" . -}}true{{- end -}}
{{- end -}}

{{- /*
common.networkPolicy.peer: one entry of `from:` or `to:`.
  context  the root context
  peer     see common.networkPolicy
*/ -}}
{{- define "common.networkPolicy.peer" -}}
{{- $peer := .peer -}}
{{- if $peer.host -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+){3}$" $peer.host -}}
- ipBlock: {cidr: {{ $peer.host }}/32}
{{- else if contains ":" $peer.host -}}
- ipBlock: {cidr: "{{ $peer.host }}/128"}
{{- else if include "common.networkPolicy.isService" $peer.host -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ index (splitList "." $peer.host) 1 }}
{{- else -}}
- ipBlock: {cidr: 0.0.0.0/0}
- ipBlock: {cidr: "::/0"}
{{- end -}}
{{- else if $peer.namespace -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ $peer.namespace }}
  {{- with $peer.labels }}
  podSelector:
    matchLabels:
      {{- toYaml . | nindent 6 }}
  {{- end }}
{{- else if $peer.test -}}
- podSelector:
    matchLabels:
      {{- include "common.networkPolicy.testLabels" . | nindent 6 }}
{{- else if $peer.cidr -}}
- ipBlock: {cidr: {{ ternary $peer.cidr (printf "%s/%s" $peer.cidr (ternary "128" "32" (contains ":" $peer.cidr))) (contains "/" $peer.cidr) | quote }}}
{{- else if $peer.door -}}
- podSelector:
    matchLabels:
      {{- include "common.selectorLabels" (dict "context" .context "chart" "ingress" "component" "controller") | nindent 6 }}
{{- with .context.Values.global.ingress.controllerNamespace }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- else if $peer.release -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .context.Release.Name }}
{{- else -}}
- podSelector:
    matchLabels:
      {{- include "common.selectorLabels" (dict "context" .context "chart" $peer.chart "component" $peer.component) | nindent 6 }}
{{- end -}}
{{- end -}}

{{- /*
common.networkPolicy.testLabels: the selector labels of the pods of `helm test`, which the umbrella makes.
  context  the root context
*/ -}}
{{- define "common.networkPolicy.testLabels" -}}
{{- include "common.selectorLabels" (dict "context" .context "chart" "custos-platform" "component" "test") -}}
{{- end -}}

{{- define "common.networkPolicy.ports" -}}
ports:
  {{- range .ports }}
  {{- if kindIs "map" . }}
  - {protocol: {{ .protocol }}, port: {{ int .port }}}
  {{- else }}
  - {protocol: TCP, port: {{ int . }}}
  {{- end }}
  {{- end }}
{{- end -}}

{{- /*
common.networkPolicy.dns: the rule that allows look-ups, at the cluster's DNS and at a cache on the node (link-local address).
*/ -}}
{{- define "common.networkPolicy.dns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    - ipBlock:
        cidr: 169.254.0.0/16
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{- /*
common.networkPolicy.api: the rule that allows the Kubernetes API, whose address is the cluster's business: any address at its two usual ports.
*/ -}}
{{- define "common.networkPolicy.api" -}}
- ports:
    - {protocol: TCP, port: 443}
    - {protocol: TCP, port: 6443}
{{- end -}}

{{- /*
common.networkPolicy.deny: closes every pod of the release both ways.
  context, name  as in common.metadata
*/ -}}
{{- define "common.networkPolicy.deny" -}}
{{- if .context.Values.global.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .context.Release.Name }}
      app.kubernetes.io/part-of: custos-platform
  policyTypes: [Ingress, Egress]
{{- end -}}
{{- end -}}
