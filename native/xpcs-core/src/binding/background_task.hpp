// Work on a thread of libuv's pool as a promise, with a cancel flag: an Int32Array over shared memory, so that it works while the event
// loop is busy.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "binding.hpp"

namespace xpcs::binding {

class BackgroundTask final : public Napi::AsyncWorker {
 public:
  using Run = std::function<void(Control&)>;
  using Answer = std::function<Napi::Value(Napi::Env)>;

  /// @param run on another thread; `control.canceled` is set @param answer on this one, once `run` has returned
  /// @param outOfMemory what to tell then
  static Napi::Promise start(Napi::Env env, Napi::Int32Array cancelFlag, Run run, Answer answer, std::string outOfMemory) {
    auto task = std::unique_ptr<BackgroundTask>(new BackgroundTask(env, cancelFlag, std::move(run), std::move(answer), std::move(outOfMemory)));
    const Napi::Promise promise = task->deferred_.Promise();
    task.release()->Queue();  // deletes itself when done
    return promise;
  }

 protected:
  void Execute() override {
    Control control;
    control.canceled = [this] { return std::atomic_ref<std::int32_t>(*flag_).load(std::memory_order_relaxed) != 0; };
    try {
      run_(control);
    } catch (const Error& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::bad_alloc&) {
      code_ = Code::out_of_memory;
      SetError(outOfMemory_);
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }
  void OnOK() override { deferred_.Resolve(answer_(Env())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(js_error(Env(), code_, error.Message()).Value()); }

 private:
  BackgroundTask(Napi::Env env, Napi::Int32Array cancelFlag, Run run, Answer answer, std::string outOfMemory)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        flagHolder_(Napi::Persistent(cancelFlag.As<Napi::Object>())),
        flag_(cancelFlag.Data()),
        run_(std::move(run)),
        answer_(std::move(answer)),
        outOfMemory_(std::move(outOfMemory)) {}

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference flagHolder_;
  std::int32_t* flag_;
  Run run_;
  Answer answer_;
  std::string outOfMemory_;
  Code code_ = Code::internal;
};

}  // namespace xpcs::binding
