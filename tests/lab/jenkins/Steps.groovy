// The steps of Jenkins that Esteira's examples use, and the blocks of a declarative pipeline around them.
//
// Written from: the pipeline syntax of jenkins.io (agent, options, parameters, environment, stages, when), the READMEs and sources of the plugins
// workflow-basic-steps (withEnv, error), credentials-binding, junit (JUnitResultsStep, JUnitParser) and htmlpublisher.
import java.lang.annotation.Retention
import java.lang.annotation.RetentionPolicy

@Retention(RetentionPolicy.SOURCE)
@interface Library {
    String value()
}

abstract class Steps extends Script {
    Build getBuild() { binding.getVariable('build') }

    def getEnv() { build.variables() }

    def getParams() { build.parameters }

    def methodMissing(String name, arguments) {
        def found = build.library(name)
        if (found == null) { throw new MissingMethodException(name, getClass(), arguments as Object[]) }
        found.binding = binding
        return found.invokeMethod('call', arguments)
    }

    void pipeline(Closure body) { new Blocks(this, build).with(body) }

    void error(String message) { throw new AbortException(message) }

    def script(Closure body) { body() }

    void echo(String message) { build.say(message) }

    def withEnv(List variables, Closure body) {
        def map = [:]
        for (text in variables*.toString()) {
            if (!text.contains('=')) { throw new IllegalArgumentException(text) }
            build.refuseSecretsIn('withEnv', text)
            map[text.substring(0, text.indexOf('='))] = text.substring(text.indexOf('=') + 1)
        }
        build.with(map, body)
    }

    Map string(Map options) { options + [kind: 'text'] }

    Map file(Map options) { options + [kind: 'file'] }

    def withCredentials(List bindings, Closure body) { build.withSecrets(bindings, body) }

    def sh(Map options) {
        def code = build.sh(options.script.toString())
        if (options.returnStatus) { return code }
        if (code != 0) { error("script returned exit code ${code}") }
    }

    void junit(Map options) {
        def report = new File(build.workspace, options.testResults.toString())
        if (!report.exists()) {
            if (!options.allowEmptyResults) { error('No test report files were found. Configuration error?') }
            build.say('No test report files were found. Configuration error?')
            return
        }
        def suites = new XmlSlurper().parse(report)
        if (!suites.'**'.any { it.name() == 'testcase' }) { error('None of the test reports contained any result') }
        if (suites.'**'.any { it.name() in ['failure', 'error'] } && !options.skipMarkingBuildUnstable) { build.worse('UNSTABLE') }
        build.keep(report, "junit/${options.testResults}")
    }

    void publishHTML(Map options) {
        def target = options.target
        def folder = new File(build.workspace, target.reportDir.toString())
        if (!new File(folder, target.reportFiles).exists()) {
            build.say("Specified HTML directory '${folder}' does not exist.")
            if (!target.allowMissing) { build.worse('FAILURE') }
            return
        }
        for (file in folder.listFiles()) { build.keep(file, "html/${target.reportName}/${file.name}") }
    }
}

/** The blocks of a declarative pipeline. What they do not know is refused, as Jenkins does. */
class Blocks {
    private final Steps steps
    private final Build build

    Blocks(Steps steps, Build build) {
        this.steps = steps
        this.build = build
    }

    def with(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    void agent(Closure body) { inner(body, [label: { String name -> }]) }

    void options(Closure body) { inner(body, [disableConcurrentBuilds: { -> }]) }

    void parameters(Closure body) {
        def add = { Map one -> build.parameters.putIfAbsent(one.name, one.defaultValue) }
        inner(body, [string: add, booleanParam: add])
        // Every parameter is a variable of the build, too.
        build.environment << build.parameters.collectEntries { name, value -> [name, value.toString()] }
    }

    void environment(Closure body) {
        def variables = [:]
        body.delegate = variables
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
        build.environment << variables
    }

    void stages(Closure body) { this.with(body) }

    void stage(String name, Closure body) {
        def stage = new Stage()
        body.delegate = stage
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
        if (!stage.condition.every { asSteps(it) }) {
            build.say("Stage \"${name}\" skipped due to when conditional")
            return
        }
        build.say("[Pipeline] { (${name})")
        build.with([STAGE_NAME: name]) { asSteps(stage.body) }
    }

    private def asSteps(Closure body) {
        body.delegate = steps
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    private static void inner(Closure body, Map known) {
        body.delegate = new Expando(known)
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
    }
}

class Stage {
    List condition = []
    Closure body

    void steps(Closure body) { this.body = body }

    void when(Closure body) {
        body.delegate = [expression: { Closure one -> condition << one }] as Expando
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
    }
}
