// The addon's list of exports. Conversions are in convert.cpp, the asynchronous run in correlate.cpp, the in-process
// correlator in correlator_object.cpp. Nothing here knows of jobs.
#include <napi.h>

#include <hdf5.h>

#include <thread>

#include "../formats/hdf5_references.hpp"
#include "../h5/h5.hpp"
#include "binding.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/job_results.hpp"
#include "xpcs/patch_qmap.hpp"
#include "xpcs/result_content.hpp"
#include "xpcs/version.hpp"

namespace {

Napi::Value machine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object facts = Napi::Object::New(env);
  Napi::Array features = Napi::Array::New(env);
  std::uint32_t n = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) features.Set(n++, "sse4.2");
  if (__builtin_cpu_supports("avx2")) features.Set(n++, "avx2");
  if (__builtin_cpu_supports("fma")) features.Set(n++, "fma");
  if (__builtin_cpu_supports("avx512f")) features.Set(n++, "avx512f");
  if (__builtin_cpu_supports("avx512bw")) features.Set(n++, "avx512bw");
  if (__builtin_cpu_supports("avx512vnni")) features.Set(n++, "avx512vnni");
#elif defined(__aarch64__)
  features.Set(n++, "neon");
#endif
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  facts.Set("kernelPath", xpcs::kernel_path());
  facts.Set("cpuFeatures", features);
  facts.Set("hdf5Version", std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release));
  facts.Set("compiler", __VERSION__);
  facts.Set("threads", std::max(1U, std::thread::hardware_concurrency()));
  return facts;
}

/// resolveInput(request, furtherMaps): the raw file that a request reads, after the same checks that a run begins with.
Napi::Value resolve_input(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsArray()) throw Napi::TypeError::New(env, "resolveInput(request, furtherMaps)");
  const xpcs::Request request = xpcs::binding::to_request(info[0].As<Napi::Object>());
  const std::vector<xpcs::FurtherMap> further = xpcs::binding::to_further_maps(info[1]);
  return Napi::String::New(env, xpcs::binding::guarded(env, [&] {
    const std::vector<xpcs::Request> requests = xpcs::requests_of(request, further);
    return xpcs::resolve_settings(std::span<const xpcs::Request>(requests)).front().input;
  }));
}

Napi::Array names_of(Napi::Env env, const std::vector<std::string>& files) {
  Napi::Array out = Napi::Array::New(env);
  for (std::uint32_t i = 0; i < files.size(); ++i) out.Set(i, files[i]);
  return out;
}

/// inputFiles(request): the raw file and its siblings, after the same checks.
Napi::Value input_files(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "inputFiles(request)");
  const xpcs::Request request = xpcs::binding::to_request(info[0].As<Napi::Object>());
  const std::vector<std::string> files = xpcs::binding::guarded(env, [&] { return xpcs::input_files(xpcs::resolve_settings(request)); });
  return names_of(env, files);
}

/// hdf5References(path): the files that an HDF5 file refers to; none for another file.
Napi::Value hdf5_references(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsString()) throw Napi::TypeError::New(env, "hdf5References(path)");
  return names_of(env, xpcs::binding::guarded(env, [&] { return xpcs::hdf5_references(info[0].As<Napi::String>().Utf8Value()); }));
}

/// merge({inputs, out, overwrite, pooling, provenance, repeats?}): adds repeats up; quick, so it runs at once.
Napi::Value merge(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "merge(request)");
  const xpcs::MergeRequest request = xpcs::binding::to_merge_request(info[0].As<Napi::Object>());
  const xpcs::MergeSummary summary = xpcs::binding::guarded(env, [&] { return xpcs::merge_results(request); });
  Napi::Object out = Napi::Object::New(env);
  out.Set("out", request.out);
  out.Set("repeats", static_cast<double>(summary.repeats));
  out.Set("delays", static_cast<double>(summary.delays));
  out.Set("dynamicBins", summary.dynamicBins);
  out.Set("twoTimeLeftOut", summary.twoTimeLeftOut);
  return out;
}

/// patchQmap(result, out, overwrite): the result's q-map with its blemishes masked; returns how many.
Napi::Value patch_qmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 3 || !info[0].IsString() || !info[1].IsString() || !info[2].IsBoolean()) throw Napi::TypeError::New(env, "patchQmap(result, out, overwrite)");
  const auto text = [&](std::size_t at) { return info[at].As<Napi::String>().Utf8Value(); };
  const std::size_t masked = xpcs::binding::guarded(env, [&] { return xpcs::patch_qmap(text(0), text(1), info[2].As<Napi::Boolean>().Value()); });
  return Napi::Number::New(env, static_cast<double>(masked));
}

/// jobTarget(request): the input as the job file spells it, the group for the results, and whether it asks for a two-time analysis.
Napi::Value job_target(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "jobTarget(request)");
  const xpcs::Request request = xpcs::binding::to_request(info[0].As<Napi::Object>());
  const xpcs::JobTarget target = xpcs::binding::guarded(env, [&] { return xpcs::job_target(request); });
  Napi::Object out = Napi::Object::New(env);
  out.Set("input", target.input);
  out.Set("group", target.group);
  out.Set("twoTime", target.type != xpcs::AnalysisType::multitau);
  return out;
}

/// replaceGroup(target, source, group): takes the group from the source, with the source's provenance inside it.
void replace_group(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 3 || !info[0].IsString() || !info[1].IsString() || !info[2].IsString()) throw Napi::TypeError::New(env, "replaceGroup(target, source, group)");
  const auto text = [&](std::size_t at) { return info[at].As<Napi::String>().Utf8Value(); };
  xpcs::binding::guarded(env, [&] { xpcs::replace_group(text(0), text(1), text(2)); });
}

/// readContent(path, take): what of a result does not depend on when and where it was made; `take` gets one piece after the other.
void read_content(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsString() || !info[1].IsFunction()) throw Napi::TypeError::New(env, "readContent(path, take)");
  const Napi::Function take = info[1].As<Napi::Function>();
  xpcs::binding::guarded(env, [&] {
    xpcs::read_result_content(info[0].As<Napi::String>().Utf8Value(), [&](std::span<const std::uint8_t> piece) {
      const Napi::HandleScope scope(env);
      take.Call({Napi::Buffer<std::uint8_t>::Copy(env, piece.data(), piece.size())});
    });
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  xpcs::h5::initialize();  // on this thread: opened first on another, HDF5 does not close at the end of the process
  exports.Set("version", xpcs::kVersion);
  exports.Set("machine", Napi::Function::New(env, machine));
  exports.Set("resolveInput", Napi::Function::New(env, resolve_input));
  exports.Set("inputFiles", Napi::Function::New(env, input_files));
  exports.Set("hdf5References", Napi::Function::New(env, hdf5_references));
  exports.Set("merge", Napi::Function::New(env, merge));
  exports.Set("patchQmap", Napi::Function::New(env, patch_qmap));
  exports.Set("jobTarget", Napi::Function::New(env, job_target));
  exports.Set("replaceGroup", Napi::Function::New(env, replace_group));
  exports.Set("readContent", Napi::Function::New(env, read_content));
  exports.Set("countFrames", Napi::Function::New(env, xpcs::binding::count_frames));
  exports.Set("correlate", Napi::Function::New(env, xpcs::binding::correlate));
  exports.Set("Correlator", xpcs::binding::correlator_class(env));
  exports.Set("StreamCorrelator", xpcs::binding::stream_class(env));
  exports.Set("LiveSeries", xpcs::binding::live_class(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(xpcs_core, initialize)
