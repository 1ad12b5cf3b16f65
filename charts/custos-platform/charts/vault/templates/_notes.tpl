{{- /*
vault.notes: what who installs must know of Vault; part of the umbrella's NOTES.
  . the chart's context
*/ -}}
{{- define "vault.notes" -}}
{{- $namespace := .Release.Namespace -}}
{{- $pod := printf "%s-0" (include "vault.statefulset" .) -}}
{{- if eq .Values.seal.type "kubernetesSecret" }}
WARNING: Vault is unsealed by itself with the key in Secret {{ include "vault.unsealSecret" . }}. Who can read that Secret, or a backup of it, can read everything in
Vault. That is for labs and small sites; production takes vault.seal.type kms or transit. Without that Secret nobody can ever read Vault's data again: back it up.
{{- else }}
Vault is sealed by {{ .Values.seal.type }}: to initialise it is yours, once. Its first answer holds keys that are never shown again; keep them apart from one another.
  kubectl --namespace {{ $namespace }} exec {{ $pod }} --container vault -- vault operator init
{{- if eq .Values.seal.type "manual" }}
Unseal each pod, now and whenever it has restarted (as often as keys are asked for):
{{- range include "vault.pods" . | fromYamlArray }}
  kubectl --namespace {{ $namespace }} exec --stdin --tty {{ . }} --container vault -- vault operator unseal
{{- end }}
{{- end }}
Then set it up with the root token, which is asked for without being shown, used once and revoked:
  (read -rs TOKEN && echo "$TOKEN") | kubectl --namespace {{ $namespace }} exec --stdin {{ $pod }} --container keeper -- python3 /custos/scripts/setup.py
It must be the active pod: one with the label vault-active=true.
{{- end }}
Vault may ask the Kubernetes API whose token it was given (TokenReview). There is no such right for one namespace only, hence the ClusterRoleBinding
{{ include "vault.tokenReview" . }}.
{{- end -}}

{{- /* vault.tokenReview: name of the ClusterRoleBinding; with the namespace, so that two releases do not meet. */ -}}
{{- define "vault.tokenReview" -}}
{{- include "common.name" (dict "context" . "name" (printf "%s-%s-vault-token-review" .Release.Name .Release.Namespace)) -}}
{{- end -}}
