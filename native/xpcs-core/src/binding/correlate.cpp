// correlate(request, furtherMaps, onProgress, cancelFlag): one pass on a worker thread. Progress is passed on at most ten times a
// second; the cancel flag is an Int32Array over shared memory, so that it works while the event loop is busy.
#include <atomic>
#include <chrono>

#include "binding.hpp"

namespace xpcs::binding {
namespace {

struct ProgressNote {
  Stage stage;
  double fraction;
  std::string text;
};

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::reading: return "reading";
    case Stage::correlating: return "correlating";
    case Stage::writing: return "writing";
  }
  return "";
}

class CorrelateWorker final : public Napi::AsyncWorker {
 public:
  CorrelateWorker(Napi::Env env, Request request, std::vector<FurtherMap> further, const Napi::Function& onProgress, Napi::Int32Array cancelFlag)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        request_(std::move(request)),
        further_(std::move(further)),
        progress_(Napi::ThreadSafeFunction::New(env, onProgress, "xpcs progress", 0, 1)),
        flagHolder_(Napi::Persistent(cancelFlag.As<Napi::Object>())),
        flag_(cancelFlag.Data()) {}

  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    Control control;
    control.canceled = [this] { return std::atomic_ref<std::int32_t>(*flag_).load(std::memory_order_relaxed) != 0; };
    control.note = [this](const std::string& text) { send(lastStage_ == Stage::writing ? Stage::reading : lastStage_, 0, text); };
    control.progress = [this](Stage stage, double fraction) { note(stage, fraction); };
    try {
      summaries_ = run_analyses(request_, further_, control);
    } catch (const Error& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::bad_alloc&) {
      code_ = Code::out_of_memory;
      SetError("not enough memory for this file: raise the limit, or shorten the range with --begin and --end");
    } catch (const std::exception& error) {
      SetError(error.what());
    }
    progress_.Release();
  }

  void OnOK() override {
    Napi::Array all = Napi::Array::New(Env());
    for (std::uint32_t i = 0; i < summaries_.size(); ++i) all.Set(i, to_object(Env(), summaries_[i]));
    deferred_.Resolve(all);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(js_error(Env(), code_, error.Message()).Value()); }

 private:
  void note(Stage stage, double fraction) {
    const auto now = std::chrono::steady_clock::now();
    if (stage == lastStage_ && now - lastNote_ < std::chrono::milliseconds(100)) return;
    lastStage_ = stage;
    lastNote_ = now;
    send(stage, fraction, {});
  }

  void send(Stage stage, double fraction, const std::string& text) {
    auto* note = new (std::nothrow) ProgressNote{stage, fraction, text};  // the queue takes a bare pointer; freed below
    if (note == nullptr) return;
    const auto queued = progress_.NonBlockingCall(note, [](Napi::Env env, Napi::Function callback, ProgressNote* raw) {
      const std::unique_ptr<ProgressNote> owned(raw);
      Napi::Object value = Napi::Object::New(env);
      value.Set("stage", stage_name(owned->stage));
      value.Set("fraction", owned->fraction);
      if (!owned->text.empty()) value.Set("note", owned->text);
      callback.Call({value});
    });
    if (queued != napi_ok) delete note;
  }

  Napi::Promise::Deferred deferred_;
  Request request_;
  std::vector<FurtherMap> further_;
  Napi::ThreadSafeFunction progress_;
  Napi::ObjectReference flagHolder_;
  std::int32_t* flag_;
  std::vector<Summary> summaries_;
  Code code_ = Code::internal;
  Stage lastStage_ = Stage::writing;
  std::chrono::steady_clock::time_point lastNote_{};
};

}  // namespace

Napi::Value correlate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 4 || !info[0].IsObject() || !info[1].IsArray() || !info[2].IsFunction() || !info[3].IsTypedArray()) {
    throw Napi::TypeError::New(env, "correlate(request, furtherMaps, onProgress, cancelFlag)");
  }
  auto worker =
      std::make_unique<CorrelateWorker>(env, to_request(info[0].As<Napi::Object>()), to_further_maps(info[1]), info[2].As<Napi::Function>(), info[3].As<Napi::Int32Array>());
  const Napi::Promise promise = worker->promise();
  worker.release()->Queue();  // deletes itself when done
  return promise;
}

}  // namespace xpcs::binding
