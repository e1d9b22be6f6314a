/* cms FOLDER - the same messages by libcrypto's own CMS functions.
 *
 * Reads lines "TASK COUNT FILE", does the task that many times, writes what it made last into
 * FILE and prints the seconds. Keys and certificates are loaded once, from FOLDER.
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static EVP_PKEY *key;
static X509 *ca, *self_signed;
static STACK_OF(X509) *ca_stack;
static unsigned char *csr_der, *reply_der;
static long csr_size, reply_size;
static ASN1_OBJECT *transaction_id, *message_type, *sender_nonce;
static unsigned char *made;
static int made_size;

static void die(const char *what)
{
    fprintf(stderr, "cms: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void *must(void *pointer, const char *what)
{
    if (pointer == NULL)
        die(what);
    return pointer;
}

static void want(int success, const char *what)
{
    if (success <= 0)
        die(what);
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return must(fopen(path, "rb"), path);
}

static X509 *load_certificate(const char *folder, const char *name)
{
    FILE *file = open_in(folder, name);
    X509 *certificate = must(PEM_read_X509(file, NULL, NULL, NULL), name);
    fclose(file);
    return certificate;
}

static unsigned char *load_bytes(const char *folder, const char *name, long *size)
{
    FILE *file = open_in(folder, name);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    unsigned char *bytes = must(malloc(*size), name);
    if (fread(bytes, 1, *size, file) != (size_t)*size)
        die(name);
    fclose(file);
    return bytes;
}

static void keep(int size, const char *what)
{
    want(size, what);
    made_size = size;
}

/* -------------------------------------------------------------------------------- the messages */

static void add_name(X509_NAME *name)
{
    want(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (unsigned char *)"sensor-17", -1,
                                    -1, 0), "CN");
    want(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (unsigned char *)"Example", -1, -1,
                                    0), "O");
}

static X509_REQ *build_csr(void)
{
    X509_REQ *csr = must(X509_REQ_new(), "X509_REQ_new");
    add_name(X509_REQ_get_subject_name(csr));
    want(X509_REQ_set_pubkey(csr, key), "public key");
    want(X509_REQ_add1_attr_by_NID(csr, NID_pkcs9_challengePassword, MBSTRING_ASC,
                                   (unsigned char *)"a challenge password", -1), "challenge");
    want(X509_REQ_sign(csr, key, EVP_sha256()), "signing the CSR");
    return csr;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = must(X509V3_EXT_conf_nid(NULL, &context, nid, value), value);
    want(X509_add_ext(certificate, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static X509 *sign_self(X509_REQ *csr)
{
    X509 *certificate = must(X509_new(), "X509_new");
    unsigned char serial[16];
    want(RAND_bytes(serial, sizeof serial), "RAND_bytes");
    serial[0] = (serial[0] & 0x7f) | 0x40;
    BIGNUM *number = must(BN_bin2bn(serial, sizeof serial, NULL), "BN_bin2bn");
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    X509_set_version(certificate, X509_VERSION_3);
    X509_NAME *name = X509_REQ_get_subject_name(csr);
    want(X509_set_subject_name(certificate, name), "subject");
    want(X509_set_issuer_name(certificate, name), "issuer");
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    want(X509_set_pubkey(certificate, key), "public key");
    add_extension(certificate, NID_key_usage, "critical,digitalSignature,keyEncipherment");
    add_extension(certificate, NID_subject_key_identifier, "hash");
    want(X509_sign(certificate, key, EVP_sha256()), "signing the certificate");
    return certificate;
}

static void attribute(CMS_SignerInfo *signer, ASN1_OBJECT *type, int kind, const void *bytes,
                      int size)
{
    want(CMS_signed_add1_attr_by_OBJ(signer, type, kind, bytes, size), "signed attribute");
}

static void encode(const unsigned char *csr, int size, X509 *certificate)
{
    const unsigned flags = CMS_BINARY;
    BIO *plain = must(BIO_new_mem_buf(csr, size), "BIO");
    CMS_ContentInfo *envelope =
        must(CMS_encrypt(ca_stack, plain, EVP_aes_128_cbc(), flags), "CMS_encrypt");
    unsigned char *enveloped = NULL;
    int enveloped_size = i2d_CMS_ContentInfo(envelope, &enveloped);
    want(enveloped_size, "encoding the envelope");

    CMS_ContentInfo *signed_data =
        must(CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL), "CMS_sign");
    CMS_SignerInfo *signer = must(CMS_add1_signer(signed_data, certificate, key, EVP_sha256(),
                                                  flags | CMS_NOSMIMECAP), "CMS_add1_signer");
    unsigned char random[32];
    char text[33];
    want(RAND_bytes(random, sizeof random), "RAND_bytes");
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", random[i]);
    attribute(signer, transaction_id, V_ASN1_PRINTABLESTRING, text, 32);
    attribute(signer, message_type, V_ASN1_PRINTABLESTRING, "19", 2);
    attribute(signer, sender_nonce, V_ASN1_OCTET_STRING, random + 16, 16);
    BIO *content = must(BIO_new_mem_buf(enveloped, enveloped_size), "BIO");
    want(CMS_final(signed_data, content, NULL, flags), "CMS_final");
    OPENSSL_free(made);
    made = NULL;
    keep(i2d_CMS_ContentInfo(signed_data, &made), "encoding the message");

    BIO_free(content);
    BIO_free(plain);
    OPENSSL_free(enveloped);
    CMS_ContentInfo_free(envelope);
    CMS_ContentInfo_free(signed_data);
}

static void message(void)
{
    encode(csr_der, csr_size, self_signed);
}

static void pkcs_req(void)
{
    X509_REQ *csr = build_csr();
    X509 *certificate = sign_self(csr);
    unsigned char *octets = NULL;
    int size = i2d_X509_REQ(csr, &octets);
    want(size, "encoding the CSR");
    encode(octets, size, certificate);
    OPENSSL_free(octets);
    X509_free(certificate);
    X509_REQ_free(csr);
}

static void read_cert_rep(void)
{
    const unsigned char *position = reply_der;
    CMS_ContentInfo *signed_data =
        must(d2i_CMS_ContentInfo(NULL, &position, reply_size), "parsing the reply");
    BIO *content = must(BIO_new(BIO_s_mem()), "BIO");
    want(CMS_verify(signed_data, ca_stack, NULL, NULL, content,
                    CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY), "CMS_verify");
    CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(signed_data), 0);
    must(CMS_signed_get0_data_by_OBJ(signer, transaction_id, -3, V_ASN1_PRINTABLESTRING), "ID");
    must(CMS_signed_get0_data_by_OBJ(signer, message_type, -3, V_ASN1_PRINTABLESTRING), "type");

    CMS_ContentInfo *envelope = must(d2i_CMS_bio(content, NULL), "parsing the envelope");
    BIO *plain = must(BIO_new(BIO_s_mem()), "BIO");
    want(CMS_decrypt(envelope, key, self_signed, NULL, plain, CMS_BINARY), "CMS_decrypt");
    CMS_ContentInfo *bag = must(d2i_CMS_bio(plain, NULL), "parsing the certificates");
    STACK_OF(X509) *certificates = must(CMS_get1_certs(bag), "certificates");
    X509 *issued = must(sk_X509_value(certificates, 0), "a certificate");
    want(EVP_PKEY_eq(X509_get0_pubkey(issued), key), "the requested key");
    want(X509_check_issued(ca, issued) == X509_V_OK, "issuer");
    want(X509_verify(issued, X509_get0_pubkey(ca)), "X509_verify");
    OPENSSL_free(made);
    made = NULL;
    keep(i2d_X509(issued, &made), "encoding the certificate");

    sk_X509_pop_free(certificates, X509_free);
    CMS_ContentInfo_free(bag);
    CMS_ContentInfo_free(envelope);
    CMS_ContentInfo_free(signed_data);
    BIO_free(plain);
    BIO_free(content);
}

/* ------------------------------------------------------------------------------------ the turns */

static const struct {
    const char *name;
    void (*work)(void);
} tasks[] = {
    {"pkcs_req", pkcs_req},
    {"message", message},
    {"read_cert_rep", read_cert_rep},
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void turn(const char *task, long count, const char *path)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(task, tasks[i].name) != 0)
            continue;
        double begin = now();
        for (long done = 0; done < count; done++)
            tasks[i].work();
        double seconds = now() - begin;
        FILE *file = must(fopen(path, "wb"), path);
        fwrite(made, 1, made_size, file);
        fclose(file);
        printf("%.9f\n", seconds);
        fflush(stdout);
        return;
    }
    die("unknown task");
}

int main(int count, char **arguments)
{
    if (count != 2)
        die("one argument is required: the folder");
    const char *folder = arguments[1];
    FILE *file = open_in(folder, "key.pem");
    key = must(PEM_read_PrivateKey(file, NULL, NULL, NULL), "key.pem");
    fclose(file);
    ca = load_certificate(folder, "ca.pem");
    self_signed = load_certificate(folder, "self_signed.pem");
    ca_stack = must(sk_X509_new_null(), "stack");
    want(sk_X509_push(ca_stack, ca), "stack");
    csr_der = load_bytes(folder, "csr.der", &csr_size);
    reply_der = load_bytes(folder, "reply.der", &reply_size);
    message_type = must(OBJ_txt2obj("2.16.840.1.113733.1.9.2", 1), "OID");
    sender_nonce = must(OBJ_txt2obj("2.16.840.1.113733.1.9.5", 1), "OID");
    transaction_id = must(OBJ_txt2obj("2.16.840.1.113733.1.9.7", 1), "OID");

    char task[32], path[4096];
    long times;
    while (scanf("%31s %ld %4095s", task, &times, path) == 3)
        turn(task, times, path);
    return 0;
}
