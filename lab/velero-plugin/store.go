package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

// S3 takes parts of 5 MiB to 5 GiB, 10,000 at most: with these an object may have 160 GB.
const partSize = 16 << 20

// objectStore is Velero's ObjectStore (pkg/plugin/velero/object_store.go) over S3's protocol.
type objectStore struct {
	client *minio.Client
}

// Init takes the configuration of a BackupStorageLocation; Velero adds bucket, prefix, caCert and credentialsFile.
func (o *objectStore) Init(config map[string]string) error {
	// The second row changes nothing here, but the plugin of production knows these keys.
	err := framework.ValidateObjectStoreConfigKeys(config,
		"region", "s3Url", "s3ForcePathStyle", "insecureSkipTLSVerify", "credentialsFile", "profile",
		"checksumAlgorithm", "enableSharedConfig")
	if err != nil {
		return err
	}
	address, err := url.Parse(config["s3Url"])
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return fmt.Errorf("s3Url is %q: it must be http(s)://host[:port]", config["s3Url"])
	}
	pathStyle, err := flag(config, "s3ForcePathStyle")
	if err != nil {
		return err
	}
	transport, err := transport(config)
	if err != nil {
		return err
	}
	// Without a file: $AWS_SHARED_CREDENTIALS_FILE, without a profile: $AWS_PROFILE or "default".
	keys := credentials.NewFileAWSCredentials(config["credentialsFile"], config["profile"])
	if _, err := keys.GetWithContext(&credentials.CredContext{}); err != nil {
		return fmt.Errorf("the credentials file (AWS ini format) cannot be used: %w", err)
	}
	options := &minio.Options{
		Creds: keys, Secure: address.Scheme == "https", Region: config["region"],
		Transport: transport, BucketLookup: minio.BucketLookupDNS,
	}
	if options.Region == "" {
		options.Region = "us-east-1"
	}
	if pathStyle {
		options.BucketLookup = minio.BucketLookupPath
	}
	o.client, err = minio.New(address.Host, options)
	return err
}

func flag(config map[string]string, key string) (bool, error) {
	if config[key] == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(config[key])
	if err != nil {
		return false, fmt.Errorf("%s is %q: it must be true or false", key, config[key])
	}
	return value, nil
}

func transport(config map[string]string) (http.RoundTripper, error) {
	insecure, err := flag(config, "insecureSkipTLSVerify")
	if err != nil {
		return nil, err
	}
	made, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	made.TLSClientConfig = &tls.Config{InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12}
	if given := config["caCert"]; given != "" {
		made.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !made.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(given)) {
			return nil, errors.New("caCert has no certificate in PEM")
		}
	}
	return made, nil
}

// PutObject writes what body has; an object of one part goes in one request, others in parts.
func (o *objectStore) PutObject(bucket, key string, body io.Reader) error {
	head := make([]byte, partSize)
	length, err := io.ReadFull(body, head)
	head = head[:length]
	options := minio.PutObjectOptions{SendContentMd5: true, PartSize: partSize}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// Signed in chunks, as plain HTTP is, nothing would go without the length that it has.
		options.DisableContentSha256 = length == 0
		_, err = o.client.PutObject(context.Background(), bucket, key, bytes.NewReader(head), int64(length), options)
	case err == nil:
		whole := io.MultiReader(bytes.NewReader(head), body)
		_, err = o.client.PutObject(context.Background(), bucket, key, whole, -1, options)
	}
	return about(err, "writing", bucket, key)
}

// ObjectExists asks for the object's head.
func (o *objectStore) ObjectExists(bucket, key string) (bool, error) {
	_, err := o.client.StatObject(context.Background(), bucket, key, minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, about(err, "looking for", bucket, key)
}

// GetObject says at once whether the object is there: the client asks only when something is read.
func (o *objectStore) GetObject(bucket, key string) (io.ReadCloser, error) {
	object, err := o.client.GetObject(context.Background(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, about(err, "reading", bucket, key)
	}
	if _, err := object.Stat(); err != nil {
		object.Close()
		return nil, about(err, "reading", bucket, key)
	}
	return object, nil
}

// ListCommonPrefixes lists the "folders" below prefix, each with the delimiter at its end.
func (o *objectStore) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	if delimiter != "/" {
		return nil, fmt.Errorf("the delimiter is %q: only / is known", delimiter)
	}
	found, err := o.list(bucket, prefix, false)
	return slices.DeleteFunc(found, func(key string) bool { return key[len(key)-1:] != delimiter }), err
}

// ListObjects lists every key that starts with prefix, last ones first: what lies in a "folder" before the folder.
func (o *objectStore) ListObjects(bucket, prefix string) ([]string, error) {
	found, err := o.list(bucket, prefix, true)
	slices.Sort(found)
	slices.Reverse(found)
	return found, err
}

func (o *objectStore) list(bucket, prefix string, recursive bool) ([]string, error) {
	ctx, done := context.WithCancel(context.Background()) // else the lister waits for a reader after an error
	defer done()
	var found []string
	options := minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive}
	for object := range o.client.ListObjects(ctx, bucket, options) {
		if object.Err != nil {
			return nil, about(object.Err, "listing", bucket, prefix)
		}
		found = append(found, object.Key)
	}
	return found, nil
}

// DeleteObject removes an object; one that is not there is no error.
func (o *objectStore) DeleteObject(bucket, key string) error {
	err := o.client.RemoveObject(context.Background(), bucket, key, minio.RemoveObjectOptions{})
	return about(err, "deleting", bucket, key)
}

// CreateSignedURL makes an address that reads the object without keys for so long.
func (o *objectStore) CreateSignedURL(bucket, key string, ttl time.Duration) (string, error) {
	signed, err := o.client.PresignedGetObject(context.Background(), bucket, key, ttl, nil)
	if err != nil {
		return "", about(err, "signing an address of", bucket, key)
	}
	return signed.String(), nil
}

func about(err error, doing, bucket, key string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s/%s: %w", doing, bucket, key, err)
}
