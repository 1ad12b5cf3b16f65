package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A real store is named by the caller (tests/lab_machines/test_s3.py).
var (
	storeURL        = os.Getenv("STORE_URL")
	bucket          = os.Getenv("STORE_BUCKET")
	credentialsFile = os.Getenv("STORE_CREDENTIALS")
)

func config(more map[string]string) map[string]string {
	made := map[string]string{
		"region": "us-east-1", "s3Url": storeURL, "s3ForcePathStyle": "true", "checksumAlgorithm": "",
		"bucket": bucket, "prefix": "", "credentialsFile": credentialsFile,
	}
	for key, value := range more {
		made[key] = value
	}
	return made
}

func open(t *testing.T, more map[string]string) *objectStore {
	t.Helper()
	if storeURL == "" {
		t.Fatal("STORE_URL names no store: run tests/lab_machines/test_s3.py")
	}
	store := &objectStore{}
	if err := store.Init(config(more)); err != nil {
		t.Fatal(err)
	}
	return store
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func random(size int) []byte {
	content := make([]byte, size)
	rand.Read(content)
	return content
}

func TestObjectsOfEverySize(t *testing.T) {
	store := open(t, nil)
	for _, size := range []int{0, 1, partSize - 1, partSize, partSize + 1, 40 << 20} {
		content := random(size)
		if err := store.PutObject(bucket, "sizes/object", io.LimitReader(bytes.NewReader(content), 1<<40)); err != nil {
			t.Fatal(size, err)
		}
		object := must(store.GetObject(bucket, "sizes/object"))(t)
		found := must(io.ReadAll(object))(t)
		object.Close()
		if !bytes.Equal(found, content) {
			t.Fatalf("%d bytes were written, %d came back", size, len(found))
		}
	}
}

func TestListsAndDeletes(t *testing.T) {
	store := open(t, nil)
	for _, key := range []string{"lists/backups/a/one", "lists/backups/a/two", "lists/backups/b/one", "lists/backups/x"} {
		if err := store.PutObject(bucket, key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
	}
	folders := must(store.ListCommonPrefixes(bucket, "lists/backups/", "/"))(t)
	if !slices.Equal(folders, []string{"lists/backups/a/", "lists/backups/b/"}) {
		t.Fatal(folders)
	}
	keys := must(store.ListObjects(bucket, "lists/backups/a/"))(t)
	if !slices.Equal(keys, []string{"lists/backups/a/two", "lists/backups/a/one"}) {
		t.Fatal(keys)
	}
	if found := must(store.ListObjects(bucket, "nothing/"))(t); len(found) != 0 {
		t.Fatal(found)
	}
	for _, key := range append(keys, "lists/never-was") {
		if err := store.DeleteObject(bucket, key); err != nil {
			t.Fatal(err)
		}
		if must(store.ObjectExists(bucket, key))(t) {
			t.Fatal(key, "is still there")
		}
	}
	if !must(store.ObjectExists(bucket, "lists/backups/b/one"))(t) {
		t.Fatal("another object went too")
	}
	if _, err := store.GetObject(bucket, keys[0]); err == nil {
		t.Fatal("an object that is gone can be read")
	}
}

func TestASignedAddressNeedsNoKeys(t *testing.T) {
	store := open(t, nil)
	if err := store.PutObject(bucket, "signed", strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	answer := must(http.Get(must(store.CreateSignedURL(bucket, "signed", time.Minute))(t)))(t)
	defer answer.Body.Close()
	if found := must(io.ReadAll(answer.Body))(t); string(found) != "content" {
		t.Fatalf("%s: %s", answer.Status, found)
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	right := must(os.ReadFile(credentialsFile))(t)
	head, _, _ := strings.Cut(string(right), "aws_secret_access_key=")
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte(head+"aws_secret_access_key=guessed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := open(t, map[string]string{"credentialsFile": file})
	if err := store.PutObject(bucket, "refused", strings.NewReader("content")); err == nil {
		t.Fatal("written with a wrong secret")
	}
	if _, err := store.ListObjects(bucket, ""); err == nil {
		t.Fatal("listed with a wrong secret")
	}
	if _, err := store.ObjectExists(bucket, "refused"); err == nil {
		t.Fatal("looked for with a wrong secret")
	}
}

func TestTheFileOfTheEnvironmentIsTheDefault(t *testing.T) {
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentialsFile)
	store := open(t, map[string]string{"credentialsFile": ""})
	must(store.ListObjects(bucket, ""))(t)
}

func TestMistakesAreSaidAtOnce(t *testing.T) {
	for said, change := range map[string]map[string]string{
		"s3Url":             {"s3Url": "10.0.0.1:9000"},
		"s3ForcePathStyle":  {"s3ForcePathStyle": "maybe"},
		"caCert":            {"caCert": "no certificate"},
		"credentials file":  {"credentialsFile": "/nowhere"},
		"invalid keys [s3]": {"s3": ""},
	} {
		if err := (&objectStore{}).Init(config(change)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", said, err)
		}
	}
}
