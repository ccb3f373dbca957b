// libcurl's functions, under their own names, once it is loaded.
#pragma once

#include "triton/Net/SharedLibrary.h"

#include <string>

#define CURL_DISABLE_TYPECHECK // its macros call the functions by name
#include <curl/curl.h>

namespace triton {

#define TRITON_CURL_FUNCTIONS(F) \
  F(curl_global_init) F(curl_easy_init) F(curl_easy_cleanup) F(curl_easy_reset) F(curl_easy_setopt) F(curl_easy_getinfo) F(curl_easy_perform) \
  F(curl_easy_strerror) F(curl_slist_append) F(curl_slist_free_all) F(curl_url) F(curl_url_set) F(curl_url_cleanup)

struct Curl {
  Curl();
  TRITON_CURL_FUNCTIONS(TRITON_SHARED_MEMBER)
  std::string problem; ///< why it cannot be used; empty if it can
};

/// Loads and initialises it when it is first asked for. Thread-safe.
const Curl &libcurl();

} // namespace triton
