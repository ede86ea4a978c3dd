# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Puma in two workers of one to four threads.
require 'digest'

bind 'tcp://[::]:80'
workers 2
threads 1, 4
preload_app! false
pidfile '/srv/puma/pid'
state_path '/srv/puma/state'
worker_boot_timeout 20
quiet
version = nil
on_worker_boot { version = File.read('/srv/puma/version').strip }

app do |env|
  body =
    case env['PATH_INFO']
    when '/sum' then Digest::SHA256.hexdigest(env['rack.input'].read)
    when '/version' then version
    when '/slow' then sleep 0.3; 'slow'
    when '/stream' then (1..200).lazy.map { |i| "#{i} " + 'x' * 10_000 + "\n" }
    else "#{env['REMOTE_ADDR']} #{Process.pid} #{env['PATH_INFO']}"
    end
  [200, { 'Content-Type' => 'text/plain' }, body.is_a?(String) ? [body] : body]
end
