{{- /* What more than one template says, of this chart and of the umbrella, which knows the routes. */ -}}

{{- /* ingress.own: "true" where this chart's own controller is used, and not one that the cluster has. */ -}}
{{- define "ingress.own" -}}
{{- if and (eq .Values.api "ingress") (not .Values.className) -}}true{{- end -}}
{{- end -}}

{{- /* ingress.host: the name that users know, without scheme, port and path. */ -}}
{{- define "ingress.host" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .Values.global.publicUrl).host "" -}}
{{- end -}}

{{- /* ingress.tlsSecret: the Secret with tls.crt and tls.key of that name. */ -}}
{{- define "ingress.tlsSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "ingress-tls")) .Values.tls.existingSecret -}}
{{- end -}}

{{- /*
ingress.secrets: what the front door needs from the Secrets Job: a certificate of the internal CA, where the user has none.
  context  the chart's context
*/ -}}
{{- define "ingress.secrets" -}}
{{- $root := .context -}}
{{- if not $root.Values.tls.existingSecret }}
- name: {{ include "ingress.tlsSecret" $root }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ include "ingress.host" $root }}
    dnsNames:
      - {{ include "ingress.host" $root }}
      - {{ include "common.host" (dict "context" $root "name" "ingress" "dot" false) }}
{{- end }}
{{- end -}}

{{- /*
ingress.checks: what `helm test` asks of the Service.
  context  the chart's context
*/ -}}
{{- define "ingress.checks" -}}
{{- if include "ingress.own" .context -}}
- service: ingress
  tcp: ["{{ include "common.host" (dict "context" .context "name" "ingress") }}:443"]
  podPort: 8443
{{- end -}}
{{- end -}}
