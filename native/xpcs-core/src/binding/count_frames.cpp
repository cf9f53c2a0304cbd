// countFrames(request, cancelFlag): how many frames the raw file holds, counted on a worker thread.
#include "background_task.hpp"

namespace xpcs::binding {

Napi::Value count_frames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsTypedArray()) throw Napi::TypeError::New(env, "countFrames(request, cancelFlag)");
  const auto frames = std::make_shared<std::uint64_t>(0);
  return BackgroundTask::start(
      env, info[1].As<Napi::Int32Array>(),
      [frames, request = to_request(info[0].As<Napi::Object>())](const Control& control) { *frames = xpcs::count_frames(request, control); },
      [frames](Napi::Env at) { return Napi::Number::New(at, static_cast<double>(*frames)); }, "not enough memory to count the frames of this file");
}

}  // namespace xpcs::binding
