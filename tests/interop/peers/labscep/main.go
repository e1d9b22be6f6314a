// labscep: micromdm's SCEP service, as Debian packages it, with what its own command scepserver
// leaves out: a loopback address to listen on, the content cipher, the digest, an RA certificate,
// the text of GetCACaps, and requests answered one at a time.
//
// Every switch defaults to what the packaged server does.
package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	kitlog "github.com/go-kit/kit/log"
	"github.com/micromdm/scep/v2/depot"
	"github.com/micromdm/scep/v2/depot/file"
	"github.com/micromdm/scep/v2/scep"
	scepserver "github.com/micromdm/scep/v2/server"
	"go.mozilla.org/pkcs7"
)

var ciphers = map[string]int{
	"des":       pkcs7.EncryptionAlgorithmDESCBC,
	"aes128":    pkcs7.EncryptionAlgorithmAES128CBC,
	"aes256":    pkcs7.EncryptionAlgorithmAES256CBC,
	"aes128gcm": pkcs7.EncryptionAlgorithmAES128GCM,
	"aes256gcm": pkcs7.EncryptionAlgorithmAES256GCM,
}

var digests = map[string]asn1.ObjectIdentifier{
	"sha1":   pkcs7.OIDDigestAlgorithmSHA1,
	"sha256": pkcs7.OIDDigestAlgorithmSHA256,
	"sha512": pkcs7.OIDDigestAlgorithmSHA512,
}

// identity is a certificate and its key.
type identity struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

// knownCA is a file depot that is told its CA: the packaged one reads the key from an encrypted
// PEM of a form that OpenSSL no longer writes.
type knownCA struct {
	depot.Depot
	ca identity
}

func (d knownCA) CA([]byte) ([]*x509.Certificate, *rsa.PrivateKey, error) {
	return []*x509.Certificate{d.ca.certificate}, d.ca.key, nil
}

// withCaps is a service with its own answer to GetCACaps.
type withCaps struct {
	scepserver.Service
	caps []string
}

func (s withCaps) GetCACaps(context.Context) ([]byte, error) {
	return []byte(strings.Join(s.caps, "\n")), nil
}

// oneAtATime protects the file depot, which repeats serial numbers when requests overlap.
func oneAtATime(next scepserver.CSRSigner) scepserver.CSRSigner {
	var turn sync.Mutex
	return scepserver.CSRSignerFunc(func(m *scep.CSRReqMessage) (*x509.Certificate, error) {
		turn.Lock()
		defer turn.Unlock()
		return next.SignCSR(m)
	})
}

// getOnly answers POST like a server that never heard of it.
func getOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// takesPost follows RFC 8894 section 3.5.2: SCEPStandard includes POSTPKIOperation.
func takesPost(caps []string) bool {
	for _, name := range caps {
		if name == "POSTPKIOperation" || name == "SCEPStandard" {
			return true
		}
	}
	return false
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", path)
	}
	return block.Bytes, nil
}

func readIdentity(certificatePath, keyPath string) (id identity, err error) {
	der, err := readPEM(certificatePath)
	if err != nil {
		return id, err
	}
	if id.certificate, err = x509.ParseCertificate(der); err != nil {
		return id, err
	}
	if der, err = readPEM(keyPath); err != nil {
		return id, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return id, err
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return id, fmt.Errorf("%s is not an RSA key", keyPath)
	}
	id.key = rsaKey
	return id, nil
}

type settings struct {
	listen, depot, challenge, caps string
	caCert, caKey, raCert, raKey   string
	cipher, digest                 string
}

func parseFlags() (s settings) {
	flag.StringVar(&s.listen, "listen", "127.0.0.1:8080", "loopback `address` to listen on")
	flag.StringVar(&s.depot, "depot", "depot", "existing `directory` for issued certificates")
	flag.StringVar(&s.challenge, "challenge", "", "challenge `password`; none is asked for if empty")
	flag.StringVar(&s.caps, "caps", "", "comma-separated `keywords` for GetCACaps; if they do not promise POST, it is refused")
	flag.StringVar(&s.caCert, "ca-cert", "ca.pem", "the CA's certificate, a PEM `file`")
	flag.StringVar(&s.caKey, "ca-key", "ca.key", "the CA's RSA key, a PKCS#8 PEM `file`")
	flag.StringVar(&s.raCert, "ra-cert", "", "RA certificate, a PEM `file`; messages then use it, and GetCACert adds the CA")
	flag.StringVar(&s.raKey, "ra-key", "", "the RA's RSA key, a PKCS#8 PEM `file`")
	flag.StringVar(&s.cipher, "cipher", "des", "content cipher of replies: des, aes128, aes256, aes128gcm, aes256gcm")
	flag.StringVar(&s.digest, "digest", "sha1", "digest of replies: sha1, sha256, sha512")
	flag.BoolVar(&pkcs7.PlainRSA, "plain-rsa-oid", false, "signatureAlgorithm is rsaEncryption with NULL")
	flag.BoolVar(&pkcs7.PrimitiveEncrypted, "primitive", false, "encryptedContent is a primitive [0]")
	flag.Parse()
	return s
}

func chooseAlgorithms(s settings) error {
	var known bool
	if pkcs7.ContentEncryptionAlgorithm, known = ciphers[s.cipher]; !known {
		return fmt.Errorf("unknown cipher %q", s.cipher)
	}
	if pkcs7.DefaultDigest, known = digests[s.digest]; !known {
		return fmt.Errorf("unknown digest %q", s.digest)
	}
	return nil
}

func newSigner(s settings, ca identity) (scepserver.CSRSigner, error) {
	files, err := file.NewFileDepot(s.depot)
	if err != nil {
		return nil, err
	}
	// Zero days: the same subject may enrol again at any time.
	signer := oneAtATime(depot.NewSigner(knownCA{files, ca}, depot.WithAllowRenewalDays(0)))
	if s.challenge != "" {
		signer = scepserver.ChallengeMiddleware(s.challenge, signer)
	}
	return signer, nil
}

func newHandler(s settings) (http.Handler, error) {
	ca, err := readIdentity(s.caCert, s.caKey)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(s, ca)
	if err != nil {
		return nil, err
	}
	logger := kitlog.NewLogfmtLogger(kitlog.NewSyncWriter(os.Stderr))
	speaker, options := ca, []scepserver.ServiceOption{scepserver.WithLogger(logger)}
	if s.raCert != "" {
		if speaker, err = readIdentity(s.raCert, s.raKey); err != nil {
			return nil, err
		}
		options = append(options, scepserver.WithAddlCA(ca.certificate))
	}
	service, err := scepserver.NewService(speaker.certificate, speaker.key, signer, options...)
	if err != nil {
		return nil, err
	}
	caps := strings.Split(s.caps, ",")
	if s.caps != "" {
		service = withCaps{service, caps}
	}
	service = scepserver.NewLoggingService(logger, service)
	handler := scepserver.MakeHTTPHandler(scepserver.MakeServerEndpoints(service), service, logger)
	if s.caps != "" && !takesPost(caps) {
		handler = getOnly(handler)
	}
	return handler, nil
}

func run(s settings) error {
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return err
	}
	if !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", s.listen)
	}
	if err := chooseAlgorithms(s); err != nil {
		return err
	}
	handler, err := newHandler(s)
	if err != nil {
		return err
	}
	log.Println("listening on", s.listen)
	return http.ListenAndServe(s.listen, handler)
}

func main() {
	if err := run(parseFlags()); err != nil {
		log.Fatal(err)
	}
}
