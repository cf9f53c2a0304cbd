// countFrames(request, cancelFlag): how many frames the raw file holds, counted on a worker thread. The cancel flag is an Int32Array
// over shared memory, as for a correlation.
#include <atomic>

#include "binding.hpp"

namespace xpcs::binding {
namespace {

class CountWorker final : public Napi::AsyncWorker {
 public:
  CountWorker(Napi::Env env, Request request, Napi::Int32Array cancelFlag)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        request_(std::move(request)),
        flagHolder_(Napi::Persistent(cancelFlag.As<Napi::Object>())),
        flag_(cancelFlag.Data()) {}

  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    Control control;
    control.canceled = [this] { return std::atomic_ref<std::int32_t>(*flag_).load(std::memory_order_relaxed) != 0; };
    try {
      frames_ = xpcs::count_frames(request_, control);
    } catch (const Error& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::bad_alloc&) {
      code_ = Code::out_of_memory;
      SetError("not enough memory to count the frames of this file");
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), static_cast<double>(frames_))); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(js_error(Env(), code_, error.Message()).Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Request request_;
  Napi::ObjectReference flagHolder_;
  std::int32_t* flag_;
  std::uint64_t frames_ = 0;
  Code code_ = Code::internal;
};

}  // namespace

Napi::Value count_frames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsTypedArray()) throw Napi::TypeError::New(env, "countFrames(request, cancelFlag)");
  auto worker = std::make_unique<CountWorker>(env, to_request(info[0].As<Napi::Object>()), info[1].As<Napi::Int32Array>());
  const Napi::Promise promise = worker->promise();
  worker.release()->Queue();  // deletes itself when done
  return promise;
}

}  // namespace xpcs::binding
