// Parts of the addon. Objects that cross are plain data: numbers, strings, typed arrays.
#pragma once
#include <napi.h>

#include "xpcs/analysis.hpp"
#include "xpcs/merge.hpp"

namespace xpcs::binding {

/// A JavaScript error with our code as its `code`.
Napi::Error js_error(Napi::Env env, Code code, const std::string& message);

/// Calls run and turns what it throws into a JavaScript exception.
template <class Run>
auto guarded(Napi::Env env, Run run) {
  try {
    return run();
  } catch (const Error& error) {
    throw js_error(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw js_error(env, Code::out_of_memory, "out of memory");
  }
}

/// The property `averaging`, if it is there.
std::optional<Averaging> to_averaging(const Napi::Object& from);
/// The property `format`, if it is there.
std::optional<Format> to_format(const Napi::Object& from);
MergeRequest to_merge_request(const Napi::Object& request);
Request to_request(const Napi::Object& request);
/// An array of {qmap, out, provenance}.
std::vector<FurtherMap> to_further_maps(const Napi::Value& maps);
Napi::Object to_object(Napi::Env env, const Summary& summary);

Napi::Value correlate(const Napi::CallbackInfo& info);
Napi::Value count_frames(const Napi::CallbackInfo& info);
Napi::Function correlator_class(Napi::Env env);
Napi::Function stream_class(Napi::Env env);
Napi::Function live_class(Napi::Env env);
/// What a correlator answers.
Napi::Object to_result(Napi::Env env, const CorrelationResult& result, const Partition& partition, Averaging averaging);

}  // namespace xpcs::binding
